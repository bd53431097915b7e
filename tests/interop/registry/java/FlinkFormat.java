import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumWriter;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.DecoderFactory;
import org.apache.flink.avro.shaded.org.apache.avro.io.EncoderFactory;
import org.apache.flink.formats.avro.registry.confluent.ConfluentRegistryAvroDeserializationSchema;
import org.apache.flink.formats.avro.registry.confluent.ConfluentRegistryAvroSerializationSchema;

/** Flink's format `avro-confluent`; data are Avro's JSON. */
final class FlinkFormat implements RegistryClients.Client {
    @Override
    public Object answer(JsonNode asked) throws Exception {
        Schema schema = new Schema.Parser().parse(asked.get("schema").asText());
        String url = asked.get("url").asText();
        if (asked.has("write")) {
            var decoder = DecoderFactory.get().jsonDecoder(schema, asked.get("write").toString());
            GenericRecord data = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
            String subject = asked.get("topic").asText() + "-value";
            return RegistryClients.bytes(
                    ConfluentRegistryAvroSerializationSchema.forGeneric(subject, schema, url).serialize(data));
        }
        GenericRecord data = ConfluentRegistryAvroDeserializationSchema.forGeneric(schema, url)
                .deserialize(RegistryClients.bytes(asked.get("read")));
        var out = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().jsonEncoder(schema, out);
        new GenericDatumWriter<GenericRecord>(schema).write(data, encoder);
        encoder.flush();
        return RegistryClients.JSON.readTree(out.toByteArray());
    }
}
