package io.kopfka.interop;

import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Tries to log in by each of the client configurations (*.properties) in a folder, and to produce one record to the
 * topic that its `topic` names. Prints for each, in order of names: file name, blank, "ok" or the class and the message
 * of the exception an application would see.
 */
public final class Logins {
    private Logins() {}

    public static void main(String[] args) throws Exception {
        System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls", args[1]);
        System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.files", args[0]);
        Map<String, Future<String>> outcomes = new LinkedHashMap<>();
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (Stream<Path> files = Files.list(Path.of(args[0])).filter(each -> each.toString().endsWith(".properties")).sorted()) {
            files.forEach(file -> outcomes.put(file.getFileName().toString(), threads.submit(() -> attempt(file))));
        }
        for (Map.Entry<String, Future<String>> each : outcomes.entrySet()) {
            System.out.println(each.getKey().replace(".properties", "") + " " + each.getValue().get());
        }
        threads.shutdown();
    }

    private static String attempt(Path file) throws Exception {
        Properties settings = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            settings.load(reader);
        }
        String topic = (String) settings.remove("topic");
        settings.putIfAbsent("max.block.ms", "15000");
        settings.put("delivery.timeout.ms", "15000");
        settings.put("request.timeout.ms", "10000");
        settings.put("enable.idempotence", "false");
        settings.put("retries", "3");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, file.getFileName().toString())).get(20, TimeUnit.SECONDS);
            return "ok";
        } catch (ExecutionException e) {
            return e.getCause().getClass().getSimpleName() + " " + oneLine(e.getCause());
        } catch (Exception e) {
            return e.getClass().getSimpleName() + " " + oneLine(e);
        }
    }

    private static String oneLine(Throwable error) {
        String cause = error.getCause() == null ? "" : " <- " + oneLine(error.getCause());
        return String.valueOf(error.getMessage()).replaceAll("\\s+", " ") + cause;
    }
}
