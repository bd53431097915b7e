package io.kopfka.interop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Properties;
import java.util.StringJoiner;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyQueryMetadata;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Counts words with Kafka Streams: {@code text-input} to {@code word-count-output}, through the RocksDB store
 * {@code word-count-store} and its changelog.
 *
 * <pre>
 * WordCount --bootstrap HOST:PORT --application ID --state FOLDER --port HTTP-PORT [--input text-input]
 *           [--output word-count-output] [--set streams.property=value ...]
 * </pre>
 *
 * Answers interactive queries over HTTP on loopback: {@code /state} says the state of the instance, {@code /all} every
 * word and count of this instance's part of the store (a line each, word and count with a tab between), and
 * {@code /owner?WORD} the host and port of the instance that has the word. Runs until it is killed.
 */
public final class WordCount {
    private static final String STORE = "word-count-store";

    private final KafkaStreams streams;

    private WordCount(KafkaStreams streams) {
        this.streams = streams;
    }

    public static void main(String[] args) throws Exception {
        Options options = new Options(args);
        int port = (int) options.number("port", 0);
        Properties settings = options.client(
                "bootstrap.servers", options.get("bootstrap"),
                "application.id", options.get("application"),
                "state.dir", options.get("state"),
                "application.server", "127.0.0.1:" + port,
                "processing.guarantee", "exactly_once_v2",
                "default.key.serde", Serdes.StringSerde.class.getName(),
                "default.value.serde", Serdes.StringSerde.class.getName());
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> lines =
                builder.stream(options.get("input", "text-input"), Consumed.with(Serdes.String(), Serdes.String()));
        lines.flatMapValues(line -> Arrays.asList(line.toLowerCase(Locale.ROOT).split("\\W+")))
                .filter((key, word) -> !word.isEmpty())
                .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
                .count(Materialized.as(STORE))
                .toStream()
                .to(options.get("output", "word-count-output"), Produced.with(Serdes.String(), Serdes.Long()));
        KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        WordCount count = new WordCount(streams);
        server.createContext("/", count::answer);
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        new CountDownLatch(1).await();
        Exit.exit(0);
    }

    private void answer(HttpExchange exchange) throws IOException {
        int status = 200;
        String body;
        try {
            body = switch (exchange.getRequestURI().getPath()) {
                case "/state" -> streams.state().name();
                case "/all" -> all();
                case "/owner" -> owner(exchange.getRequestURI().getQuery());
                default -> throw new IllegalArgumentException("no such path");
            };
        } catch (InvalidStateStoreException notYet) {
            status = 503;
            body = String.valueOf(notYet.getMessage());
        }
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    private String all() {
        ReadOnlyKeyValueStore<String, Long> store =
                streams.store(StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.keyValueStore()));
        StringJoiner lines = new StringJoiner("\n");
        try (KeyValueIterator<String, Long> entries = store.all()) {
            while (entries.hasNext()) {
                KeyValue<String, Long> entry = entries.next();
                lines.add(entry.key + "\t" + entry.value);
            }
        }
        return lines.toString();
    }

    private String owner(String word) {
        KeyQueryMetadata found = streams.queryMetadataForKey(STORE, word, Serdes.String().serializer());
        return found.activeHost().host() + ":" + found.activeHost().port();
    }
}
