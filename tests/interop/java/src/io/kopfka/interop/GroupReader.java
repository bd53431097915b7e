package io.kopfka.interop;

import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Reads a topic with a consumer group of several members in this JVM, one thread each, and commits what it read.
 *
 * <pre>
 * GroupReader --bootstrap HOST:PORT --topic NAME --group ID --out FOLDER [--members 2] [--count RECORDS]
 *             [--idle-ms 30000] [--set client.property=value ...]
 * </pre>
 *
 * Each member writes FOLDER/member-N with the records whose offsets it committed, in commit order: 32-bit partition,
 * 64-bit offset, key, value (the byte strings in the form of {@link Lines}). A record is written after the commit of its
 * offset was acknowledged; one whose commit failed (the partition went to another member) is not, as another will read
 * it. It ends when all members together committed --count records, or none read anything for --idle-ms.
 * Standard output: {@code assigned N PARTITIONS} for each assignment, {@code progress TOTAL} after each commit,
 * {@code done TOTAL} at the end.
 */
public final class GroupReader implements Runnable {
    /** What the members of one run have in common. */
    private static final class Shared {
        final AtomicLong committed = new AtomicLong();
        final AtomicLong lastRead = new AtomicLong(System.nanoTime());
        volatile Exception failure;
    }

    private final Shared shared;
    private final int number;
    private final Options options;
    private final long count;
    private final long idleNanos;
    private final List<ConsumerRecord<byte[], byte[]>> pending = new ArrayList<>();

    private GroupReader(Shared shared, int number, Options options) {
        this.shared = shared;
        this.number = number;
        this.options = options;
        this.count = options.number("count", Long.MAX_VALUE);
        this.idleNanos = options.number("idle-ms", 30_000) * 1_000_000;
    }

    public static void main(String[] args) throws Exception {
        Options options = new Options(args);
        Files.createDirectories(Path.of(options.get("out")));
        Shared shared = new Shared();
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < options.number("members", 2); number++) {
            threads.add(new Thread(new GroupReader(shared, number, options), "member-" + number));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        if (shared.failure != null) {
            shared.failure.printStackTrace();
            Exit.exit(1);
        }
        say("done " + shared.committed.get());
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private boolean finished() {
        return shared.failure != null || shared.committed.get() >= count || System.nanoTime() - shared.lastRead.get() > idleNanos;
    }

    @Override
    public void run() {
        Path file = Path.of(options.get("out"), "member-" + number);
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file), 1 << 16));
                KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                        options.client(
                                "bootstrap.servers", options.get("bootstrap"),
                                "group.id", options.get("group"),
                                "client.id", options.get("group") + "-" + number,
                                "enable.auto.commit", false,
                                "auto.offset.reset", "earliest",
                                "reconnect.backoff.max.ms", 500),
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(options.get("topic")), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    commit(consumer, out);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    Set<Integer> numbers = new TreeSet<>();
                    consumer.assignment().forEach(partition -> numbers.add(partition.partition()));
                    say("assigned " + number + " " + numbers);
                }

                @Override
                public void onPartitionsLost(Collection<TopicPartition> partitions) {
                    pending.clear();
                }
            });
            while (!finished()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    pending.add(record);
                }
                if (!pending.isEmpty()) {
                    shared.lastRead.set(System.nanoTime());
                    commit(consumer, out);
                }
            }
        } catch (Exception error) {
            shared.failure = error;
        }
    }

    private void commit(KafkaConsumer<byte[], byte[]> consumer, DataOutputStream out) {
        if (pending.isEmpty()) {
            return;
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : pending) {
            offsets.put(
                    new TopicPartition(record.topic(), record.partition()),
                    new OffsetAndMetadata(record.offset() + 1, record.leaderEpoch(), ""));
        }
        try {
            consumer.commitSync(offsets);
        } catch (org.apache.kafka.clients.consumer.CommitFailedException lost) {
            pending.clear(); // the group moved on without this member: what it read is read again by another
            return;
        } catch (org.apache.kafka.common.errors.RebalanceInProgressException soon) {
            return; // still pending: committed by the listener, or lost, at the next poll
        }
        try {
            for (ConsumerRecord<byte[], byte[]> record : pending) {
                out.writeInt(record.partition());
                out.writeLong(record.offset());
                Lines.write(out, record.key());
                Lines.write(out, record.value());
            }
            out.flush();
        } catch (IOException error) {
            throw new KafkaException(error);
        }
        long total = shared.committed.addAndGet(pending.size());
        pending.clear();
        say("progress " + total);
    }
}
