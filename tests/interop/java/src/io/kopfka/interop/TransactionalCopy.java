package io.kopfka.interop;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Copies one topic to another, exactly once: records and read position are one transaction (sendOffsetsToTransaction).
 *
 * <pre>
 * TransactionalCopy --bootstrap HOST:PORT --from TOPIC --to TOPIC --group ID --transactional-id ID --count RECORDS
 *                   [--batch 50] [--abort-every N] [--set producer.property=value ...]
 * </pre>
 *
 * Every N-th transaction is aborted after its records were sent, and read again. It ends when --count records were
 * committed by this run, or a restarted run finds nothing for --idle-ms. Standard output: {@code committed TOTAL} for each
 * transaction, {@code aborted} for each aborted one, {@code done TOTAL}.
 */
public final class TransactionalCopy {
    private TransactionalCopy() {}

    public static void main(String[] args) {
        Options options = new Options(args);
        long count = options.number("count", Long.MAX_VALUE);
        long abortEvery = options.number("abort-every", Long.MAX_VALUE);
        long idleNanos = options.number("idle-ms", 30_000) * 1_000_000;
        long committed = 0;
        long transactions = 0;
        Map<String, Object> reading = new HashMap<>();
        reading.put("bootstrap.servers", options.get("bootstrap"));
        reading.put("group.id", options.get("group"));
        reading.put("group.protocol", options.get("protocol", "classic"));
        reading.put("enable.auto.commit", false);
        reading.put("auto.offset.reset", "earliest");
        reading.put("isolation.level", "read_committed");
        reading.put("max.poll.records", (int) options.number("batch", 50));
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                        options.client(
                                "bootstrap.servers", options.get("bootstrap"),
                                "transactional.id", options.get("transactional-id"),
                                "delivery.timeout.ms", 120_000,
                                "max.block.ms", 120_000,
                                "reconnect.backoff.max.ms", 500),
                        new ByteArraySerializer(),
                        new ByteArraySerializer());
                KafkaConsumer<byte[], byte[]> consumer =
                        new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            producer.initTransactions();
            consumer.subscribe(List.of(options.get("from")));
            long lastRead = System.nanoTime();
            while (committed < count && System.nanoTime() - lastRead < idleNanos) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                lastRead = System.nanoTime();
                producer.beginTransaction();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    producer.send(new ProducerRecord<>(options.get("to"), record.key(), record.value()));
                }
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(records.nextOffsets());
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (++transactions % abortEvery == 0) {
                    producer.flush(); // else the abort drops what was not sent yet
                    producer.abortTransaction();
                    rewind(consumer);
                    System.out.println("aborted");
                } else {
                    producer.commitTransaction();
                    committed += records.count();
                    System.out.println("committed " + committed);
                }
                System.out.flush();
            }
        }
        System.out.println("done " + committed);
        System.out.flush();
    }

    private static void rewind(KafkaConsumer<byte[], byte[]> consumer) {
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : consumer.assignment()) {
            OffsetAndMetadata position = committed.get(partition);
            if (position == null) {
                consumer.seekToBeginning(List.of(partition));
            } else {
                consumer.seek(partition, position);
            }
        }
    }
}
