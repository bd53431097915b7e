package io.kopfka.interop;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Produces the keys and values of a file, idempotently and with acks=all.
 *
 * <pre>
 * LinesProducer --bootstrap HOST:PORT --topic NAME --file FILE [--rate RECORDS_A_SECOND] [--set client.property=value ...]
 * </pre>
 *
 * FILE alternates keys and values in the form of {@link Lines}. For each acknowledged record one line
 * {@code INDEX PARTITION OFFSET} goes to standard output as soon as the acknowledgement is there (INDEX counts the file's
 * records from 0), and at the end one line {@code done COUNT}. A restart of the broker is survived by the producer's own
 * retries (delivery.timeout.ms is 2 minutes); exit code 1 and the first error on standard error when a record fails.
 */
public final class LinesProducer {
    private LinesProducer() {}

    public static void main(String[] args) throws Exception {
        Options options = new Options(args);
        String topic = options.get("topic");
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 12), false);
        AtomicReference<Exception> failure = new AtomicReference<>();
        long rate = options.number("rate", Long.MAX_VALUE);
        long started = System.nanoTime();
        long count = 0;
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(options.get("file")))));
                KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                        options.client(
                                "bootstrap.servers", options.get("bootstrap"),
                                "enable.idempotence", true,
                                "acks", "all",
                                "linger.ms", 5,
                                "buffer.memory", 8 << 20,
                                "delivery.timeout.ms", 120_000,
                                "max.block.ms", 120_000,
                                "reconnect.backoff.max.ms", 500),
                        new ByteArraySerializer(),
                        new ByteArraySerializer())) {
            byte[][] key = new byte[1][];
            byte[][] value = new byte[1][];
            while (failure.get() == null && Lines.read(in, key) && Lines.read(in, value)) {
                long index = count++;
                long ahead = rate == Long.MAX_VALUE ? 0 : index * 1000 / rate - (System.nanoTime() - started) / 1_000_000;
                if (ahead > 0) {
                    Thread.sleep(ahead);
                }
                producer.send(new ProducerRecord<>(topic, key[0], value[0]), (metadata, error) -> {
                    if (error != null) {
                        failure.compareAndSet(null, error);
                    } else { // callbacks come from the producer's one I/O thread
                        out.println(index + " " + metadata.partition() + " " + metadata.offset());
                        out.flush();
                    }
                });
            }
            producer.flush();
        }
        if (failure.get() != null) {
            failure.get().printStackTrace();
            Exit.exit(1);
        }
        out.println("done " + count);
        out.flush();
    }
}
