package io.kopfka.interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Reads a topic with a share group of several members in this JVM, one thread each.
 *
 * <pre>
 * ShareReader --bootstrap HOST:PORT --topic NAME --group ID [--members 1] [--count ACCEPTED] [--idle-ms 30000]
 *             [--mode implicit|explicit] [--release-every 0] [--reject-every 0] [--set client.property=value ...]
 * </pre>
 *
 * In explicit mode, a record whose value, a number, is divided by --release-every is released when it comes for the
 * first time, one divided by --reject-every is rejected, all others are accepted. Standard output, one line each:
 * {@code got MEMBER PARTITION OFFSET DELIVERIES VALUE} for each record, then, after its acknowledgement was confirmed,
 * {@code accepted|released|rejected MEMBER PARTITION OFFSET}, or {@code unknown ...} where the acknowledgement of some
 * record of the same poll was not confirmed; {@code done TOTAL} at the end. It ends when all members
 * together had --count records accepted or rejected, or none got anything for --idle-ms.
 */
public final class ShareReader implements Runnable {
    private static final AtomicLong finished = new AtomicLong();
    private static final AtomicLong lastRead = new AtomicLong(System.nanoTime());
    private static volatile Exception failure;

    private final int number;
    private final Options options;
    private final boolean explicit;

    private ShareReader(int number, Options options) {
        this.number = number;
        this.options = options;
        this.explicit = options.get("mode", "implicit").equals("explicit");
    }

    public static void main(String[] args) throws Exception {
        Options options = new Options(args);
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < options.number("members", 1); number++) {
            threads.add(new Thread(new ShareReader(number, options), "member-" + number));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        if (failure != null) {
            failure.printStackTrace();
            Exit.exit(1);
        }
        say("done " + finished.get());
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private boolean ended() {
        long idle = options.number("idle-ms", 30_000) * 1_000_000;
        return failure != null
                || finished.get() >= options.number("count", Long.MAX_VALUE)
                || System.nanoTime() - lastRead.get() > idle;
    }

    @Override
    public void run() {
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(
                options.client(
                        "bootstrap.servers", options.get("bootstrap"),
                        "group.id", options.get("group"),
                        "client.id", options.get("group") + "-" + number,
                        "share.acknowledgement.mode", options.get("mode", "implicit"),
                        "reconnect.backoff.max.ms", 500),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(options.get("topic")));
            while (!ended()) {
                List<String> taken = new ArrayList<>();
                long ending = 0;
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    lastRead.set(System.nanoTime());
                    String place = number + " " + record.partition() + " " + record.offset();
                    say("got " + place + " " + record.deliveryCount().orElse((short) 0) + " " + new String(record.value()));
                    AcknowledgeType type = explicit ? decide(record) : AcknowledgeType.ACCEPT;
                    if (explicit) {
                        consumer.acknowledge(record, type);
                    }
                    taken.add((type + "ed").toLowerCase().replace("eed", "ed") + " " + place);
                    ending += type == AcknowledgeType.RELEASE ? 0 : 1;
                }
                if (taken.isEmpty()) {
                    continue;
                }
                Map<TopicIdPartition, Optional<KafkaException>> results = consumer.commitSync();
                if (results.values().stream().allMatch(Optional::isEmpty)) {
                    taken.forEach(ShareReader::say);
                    finished.addAndGet(ending);
                } else {
                    System.err.println("commit of " + number + " failed: " + results);
                    taken.forEach(line -> say("unknown" + line.substring(line.indexOf(' '))));
                }
            }
        } catch (Exception e) {
            failure = e;
        }
    }

    private AcknowledgeType decide(ConsumerRecord<byte[], byte[]> record) {
        long value = Long.parseLong(new String(record.value()));
        long release = options.number("release-every", 0);
        long reject = options.number("reject-every", 0);
        if (release > 0 && value % release == 0 && record.deliveryCount().orElse((short) 1) == 1) {
            return AcknowledgeType.RELEASE;
        }
        return reject > 0 && value % reject == 0 ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT;
    }
}
