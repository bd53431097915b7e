import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;

/**
 * Drives Java's clients of schema registries for the tests: one JSON object a line comes in, one goes out.
 *
 * <pre>
 *   {"client": "confluent", "url": URL, "call": METHOD, "with": [ARGUMENT…]}     SchemaRegistryClient, RestService
 *   {"client": "confluent", "methods": true}, {"client": "confluent", "notice": true}
 *   {"client": "confluent", "schema": TEXT}                                      what Confluent's AvroSchema makes of it
 *   {"client": "confluent", "new": TEXT, "old": TEXT, "level": LEVEL}            what it says of the two
 *   {"client": "flink" or "apicurio", "url": URL, "write": DATA, "schema": TEXT, "topic": T, "language": L}
 *   {"client": "flink" or "apicurio", "url": URL, "read": BASE64, "schema": TEXT, "topic": T, "language": L}
 * </pre>
 *
 * Bytes are {"base64": TEXT} both ways. The answer is {"ok": RESULT} or {"error": {…}}.
 */
public final class RegistryClients {
    static final ObjectMapper JSON = new ObjectMapper();

    private RegistryClients() {}

    interface Client {
        Object answer(JsonNode asked) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        Map<String, Client> clients =
                Map.of("confluent", new Confluent(), "flink", new FlinkFormat(), "apicurio", new Apicurio());
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // libraries may write there
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, Object> answer = new HashMap<>();
            try {
                JsonNode asked = JSON.readTree(line);
                answer.put("ok", clients.get(asked.get("client").asText()).answer(asked));
            } catch (Throwable thrown) {
                answer.put("error", told(thrown));
            }
            out.println(JSON.writeValueAsString(answer));
        }
    }

    static Object bytes(byte[] content) {
        return content == null ? null : Map.of("base64", content);
    }

    static byte[] bytes(JsonNode node) throws Exception {
        return node.get("base64").binaryValue();
    }

    private static Map<String, Object> told(Throwable thrown) {
        Throwable cause = thrown;
        while (cause instanceof InvocationTargetException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        Map<String, Object> said = new HashMap<>();
        said.put("name", cause.getClass().getSimpleName());
        said.put("message", String.valueOf(cause.getMessage()));
        for (Throwable each = cause; each != null; each = each.getCause()) {
            if (each instanceof RestClientException refused) {
                said.put("status", refused.getStatus());
                said.put("code", refused.getErrorCode());
            }
        }
        return said;
    }
}
