import com.fasterxml.jackson.databind.JsonNode;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.Status;
import io.apicurio.registry.resolver.config.SchemaResolverConfig;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.config.SerdeConfig;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaDeserializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaDeserializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import io.apicurio.registry.serde.strategy.TopicIdStrategy;
import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Apicurio's serialisers in the mode that others' records need: ids of four bytes in the data, no headers of their own,
 * Protobuf's message by its indexes. Their client speaks Apicurio's own API and no other, so `ConfluentFacade` stands in
 * its place.
 */
final class Apicurio implements RegistryClients.Client {
    private static final JsonFormat.TypeRegistry TYPES =
            JsonFormat.TypeRegistry.newBuilder().add(Status.getDescriptor()).build();

    @Override
    public Object answer(JsonNode asked) throws Exception {
        var facade = new ConfluentFacade(asked.get("url").asText());
        var settings = new HashMap<String, Object>(Map.of(
                SchemaResolverConfig.AUTO_REGISTER_ARTIFACT, true,
                SerdeConfig.ARTIFACT_RESOLVER_STRATEGY, TopicIdStrategy.class.getName(),
                SerdeConfig.SEND_TYPE_REF, false, SerdeConfig.READ_TYPE_REF, false,
                SerdeConfig.SEND_INDEXES, true, SerdeConfig.READ_INDEXES, true,
                SerdeConfig.VALIDATION_ENABLED, true));
        String topic = asked.get("topic").asText();
        byte[] value = asked.has("read") ? RegistryClients.bytes(asked.get("read")) : null;
        return switch (asked.get("language").asText()) {
            case "AVRO" -> value == null
                    ? write(new AvroKafkaSerializer<>(facade), settings, topic, avro(asked))
                    : avro(read(new AvroKafkaDeserializer<GenericRecord>(facade), settings, topic, value));
            case "PROTOBUF" -> {
                // which message it is, indexes do not tell this deserialiser: it needs the class
                settings.put(SerdeConfig.DESERIALIZER_SPECIFIC_VALUE_RETURN_CLASS, Status.class);
                yield value == null
                        ? write(new ProtobufKafkaSerializer<>(facade), settings, topic, protobuf(asked))
                        : RegistryClients.JSON.readTree(JsonFormat.printer().usingTypeRegistry(TYPES).preservingProtoFieldNames()
                                .print(read(new ProtobufKafkaDeserializer<Status>(facade), settings, topic, value)));
            }
            default -> {
                // a schema that is registered is found by the subject: data of JSON do not bring their own
                settings.put(SchemaResolverConfig.AUTO_REGISTER_ARTIFACT, false);
                settings.put(SchemaResolverConfig.FIND_LATEST_ARTIFACT, true);
                settings.put(SerdeConfig.DESERIALIZER_SPECIFIC_VALUE_RETURN_CLASS, JsonNode.class);
                yield value == null
                        ? write(new JsonSchemaKafkaSerializer<>(facade), settings, topic, asked.get("write"))
                        : read(new JsonSchemaKafkaDeserializer<JsonNode>(facade), settings, topic, value);
            }
        };
    }

    private static <T> Object write(Serializer<T> serializer, Map<String, ?> settings, String topic, T data) {
        serializer.configure(settings, false);
        return RegistryClients.bytes(serializer.serialize(topic, data));
    }

    private static <T> T read(Deserializer<T> deserializer, Map<String, ?> settings, String topic, byte[] value) {
        deserializer.configure(settings, false);
        return deserializer.deserialize(topic, value);
    }

    private static GenericRecord avro(JsonNode asked) throws Exception {
        Schema schema = new Schema.Parser().parse(asked.get("schema").asText());
        var decoder = DecoderFactory.get().jsonDecoder(schema, asked.get("write").toString());
        return new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
    }

    private static JsonNode avro(GenericRecord data) throws Exception {
        var out = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().jsonEncoder(data.getSchema(), out);
        new GenericDatumWriter<GenericRecord>(data.getSchema()).write(data, encoder);
        encoder.flush();
        return RegistryClients.JSON.readTree(out.toByteArray());
    }

    /** Returns a message of a type that all languages have classes of. */
    private static Status protobuf(JsonNode asked) throws Exception {
        var message = Status.newBuilder();
        JsonFormat.parser().usingTypeRegistry(TYPES).merge(asked.get("write").toString(), message);
        return message.build();
    }
}
