import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.jar.JarFile;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.CompatibilityLevel;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.ParsedSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.SimpleParsedSchemaHolder;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.RestService;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.Schema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.utils.JacksonMapper;
import org.apache.flink.avro.shaded.com.fasterxml.jackson.databind.ObjectMapper;

/** Confluent's client: its methods by their names, those of SchemaRegistryClient before those of RestService. */
final class Confluent implements RegistryClients.Client {
    private static final ObjectMapper MAPPER = JacksonMapper.INSTANCE;
    private static final int CACHED = 100;

    @Override
    public Object answer(JsonNode asked) throws Exception {
        if (asked.has("methods")) {
            return names();
        }
        if (asked.has("notice")) {
            try (var jar = new JarFile(new File(RestService.class.getProtectionDomain().getCodeSource().getLocation().toURI()))) {
                return new String(jar.getInputStream(jar.getEntry("META-INF/NOTICE")).readAllBytes(), StandardCharsets.UTF_8);
            }
        }
        if (asked.has("schema")) {
            return described(new AvroSchema(asked.get("schema").asText()));
        }
        if (asked.has("new")) {
            CompatibilityLevel level = CompatibilityLevel.forName(asked.get("level").asText());
            AvroSchema former = new AvroSchema(asked.get("old").asText()).copy(1);
            return new AvroSchema(asked.get("new").asText())
                    .isCompatible(level, List.of(new SimpleParsedSchemaHolder(former)));
        }
        var service = new RestService(List.of(asked.get("url").asText().split(",")));
        try (var client = new CachedSchemaRegistryClient(service, CACHED)) {
            return call(asked.get("call").asText(), asked.get("with"), client, service);
        }
    }

    private static TreeSet<String> names() {
        var names = new TreeSet<String>();
        for (Method each : SchemaRegistryClient.class.getMethods()) {
            if (!each.isAnnotationPresent(Deprecated.class) && !Modifier.isStatic(each.getModifiers())) {
                names.add(each.getName());
            }
        }
        return names;
    }

    private static Map<String, Object> described(AvroSchema schema) {
        return Map.of("canonical", schema.canonicalString(), "normalized", schema.normalize().canonicalString(),
                "resolved", schema.formattedString("resolved"));
    }

    private static Object call(String name, JsonNode given, CachedSchemaRegistryClient client, RestService service)
            throws Exception {
        for (Object target : List.of(client, service)) {
            for (Method method : target.getClass().getMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == given.size()) {
                    Optional<Object[]> arguments = arguments(method, given, client);
                    if (arguments.isPresent()) {
                        return result(method.invoke(target, arguments.get()));
                    }
                }
            }
        }
        throw new NoSuchMethodException(name + " of " + given.size());
    }

    /** Returns arguments of a method, if what is given can be such: a schema is an object with its text. */
    private static Optional<Object[]> arguments(Method method, JsonNode given, SchemaRegistryClient client) {
        var made = new ArrayList<>();
        for (int number = 0; number < given.size(); number++) {
            Class<?> kind = method.getParameterTypes()[number];
            JsonNode value = given.get(number);
            try {
                if (ParsedSchema.class.isAssignableFrom(kind)) {
                    made.add(parsed(value, client));
                } else if (kind == org.apache.flink.avro.shaded.org.apache.avro.Schema.class) {
                    return Optional.empty();
                } else if (kind == String.class && !value.isTextual() && !value.isNull()) {
                    return Optional.empty();
                } else {
                    made.add(MAPPER.readValue(value.toString(), MAPPER.constructType(method.getGenericParameterTypes()[number])));
                }
            } catch (Exception unfit) {
                return Optional.empty();
            }
        }
        return Optional.of(made.toArray());
    }

    private static ParsedSchema parsed(JsonNode value, SchemaRegistryClient client) throws Exception {
        return client.parseSchema(MAPPER.readValue(value.toString(), Schema.class)).orElseThrow();
    }

    private static Object result(Object value) throws Exception {
        if (value instanceof ParsedSchema schema) {
            return schema.canonicalString();
        }
        if (value instanceof List<?> several && several.stream().anyMatch(ParsedSchema.class::isInstance)) {
            return several.stream().map(each -> ((ParsedSchema) each).canonicalString()).toList();
        }
        if (value instanceof Optional<?> one) {
            return result(one.orElse(null));
        }
        return value == null ? null : RegistryClients.JSON.readTree(MAPPER.writeValueAsString(value));
    }
}
