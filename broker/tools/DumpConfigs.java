import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.ConfigSynonym;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * Prints, as JSON, every broker, topic, group and client metrics config that Apache Kafka defines: what the bundled broker's data file
 * kopfka_broker/config/kafka.json holds. Run with the jars of kafka_2.13 and kafka-tools on the class path:
 * java -cp 'JARS/*' DumpConfigs.java > broker/kopfka_broker/config/kafka.json
 */
public class DumpConfigs {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        Map<String, Object> broker = new TreeMap<>();
        for (ConfigDef.ConfigKey key : kafka.server.KafkaConfig.configDef().configKeys().values()) {
            Map<String, Object> entry = describe(key);
            entry.put("update", modes.getOrDefault(key.name, "read-only"));
            List<String> synonyms = DynamicBrokerConfig.brokerConfigSynonyms(key.name, true);
            if (synonyms.size() > 1) {
                entry.put("synonyms", synonyms);
            }
            broker.put(key.name, entry);
        }
        Map<String, Object> topic = new TreeMap<>();
        for (ConfigDef.ConfigKey key : LogConfig.configKeys().values()) {
            Map<String, Object> entry = describe(key);
            List<List<String>> synonyms = new ArrayList<>();
            for (ConfigSynonym synonym : ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.getOrDefault(key.name, List.of())) {
                // the converter is told by what it makes of 1: hours and minutes to milliseconds
                synonyms.add(List.of(synonym.name(), synonym.converter().apply("1")));
            }
            entry.put("synonyms", synonyms);
            topic.put(key.name, entry);
        }
        Map<String, Object> group = new TreeMap<>();
        for (ConfigDef.ConfigKey key : of(GroupConfig.class, "CONFIG_DEF").configKeys().values()) {
            Map<String, Object> entry = describe(key);
            GroupConfig.brokerSynonym(key.name).ifPresent(name -> entry.put("synonyms", List.of(name)));
            group.put(key.name, entry);
        }
        Map<String, Object> clientMetrics = new TreeMap<>();
        for (ConfigDef.ConfigKey key : ClientMetricsConfigs.configDef().configKeys().values()) {
            clientMetrics.put(key.name, describe(key));
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("version", AppInfoParser.getVersion());
        all.put("broker", broker);
        all.put("topic", topic);
        all.put("group", group);
        all.put("client-metrics", clientMetrics);
        System.out.println(new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(all));
    }

    private static ConfigDef of(Class<?> owner, String field) throws ReflectiveOperationException {
        java.lang.reflect.Field found = owner.getDeclaredField(field);
        found.setAccessible(true);
        return (ConfigDef) found.get(null);
    }

    private static Map<String, Object> describe(ConfigDef.ConfigKey key) {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("type", key.type.name());
        if (key.hasDefault()) {
            entry.put("default", ConfigDef.convertToString(key.defaultValue, key.type));
        }
        if (key.validator != null) {
            entry.put("valid", key.validator.toString());
        }
        if (key.internalConfig) {
            entry.put("internal", true);
        }
        entry.put("doc", key.documentation == null ? "" : key.documentation);
        return entry;
    }
}
