package io.kopfka.interop;

import java.util.TreeSet;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

/**
 * Prints what Kafka's clients know by name: a line {@code config NAME} for each setting of a producer, a consumer or an
 * admin client, and a line {@code error CODE NAME RETRIABLE} for each error code.
 */
public final class ClientFacts {
    private ClientFacts() {}

    public static void main(String[] args) {
        TreeSet<String> names = new TreeSet<>(ProducerConfig.configNames());
        names.addAll(ConsumerConfig.configNames());
        names.addAll(AdminClientConfig.configNames());
        names.forEach(name -> System.out.println("config " + name));
        for (Errors error : Errors.values()) {
            boolean retriable = error.exception() instanceof RetriableException;
            System.out.println("error " + error.code() + " " + error.name() + " " + retriable);
        }
    }
}
