import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaNormalization;

/**
 * Answers what Avro's Java library makes of schemas: a JSON object a line in, one out.
 *
 * <p>{@code {"text", "references": [...], "defaults"}} is answered with {@code {"canonical", "resolved", "name", "form"}};
 * {@code {"reader", "writer"}} with {@code {"differences": [[type, location, message]...]}}, or {@code {"threw": message}}
 * where the comparison ends with an exception; what cannot be parsed with {@code {"error": message}}.
 */
public final class AvroPeer {
    private static final ObjectMapper JSON = new ObjectMapper();

    private AvroPeer() {}

    public static void main(String[] ignored) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JsonNode request = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            try {
                if (request.has("reader")) {
                    compare(request, answer);
                } else {
                    parse(request, answer);
                }
            } catch (Exception | StackOverflowError error) {
                answer.put("error", String.valueOf(error));
            }
            answers.println(JSON.writeValueAsString(answer));
        }
    }

    private static void parse(JsonNode request, ObjectNode answer) {
        Schema.Parser parser = parser(request.path("defaults").asBoolean());
        List<Schema> references = new ArrayList<>();
        for (JsonNode reference : request.path("references")) {
            references.add(parser.parse(reference.asText()));
        }
        Schema schema = parser.parse(request.get("text").asText());
        answer.put("canonical", schema.toString(references, false));
        answer.put("resolved", schema.toString());
        answer.put("name", schema.getType() == Schema.Type.RECORD ? schema.getFullName() : null);
        answer.put("form", SchemaNormalization.toParsingForm(schema));
    }

    private static void compare(JsonNode request, ObjectNode answer) {
        Schema reader = parser(false).parse(request.get("reader").asText());
        Schema writer = parser(false).parse(request.get("writer").asText());
        try {
            ArrayNode differences = JSON.createArrayNode();
            for (SchemaCompatibility.Incompatibility each :
                    SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult().getIncompatibilities()) {
                differences.addArray().add(each.getType().name()).add(each.getLocation()).add(each.getMessage());
            }
            answer.set("differences", differences);
        } catch (RuntimeException error) {
            answer.put("threw", String.valueOf(error));
        }
    }

    private static Schema.Parser parser(boolean defaults) {
        return new Schema.Parser().setValidateDefaults(defaults);
    }
}
