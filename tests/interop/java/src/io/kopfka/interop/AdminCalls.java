package io.kopfka.interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Makes the calls of Apache Kafka's admin client that a bundled broker serves, and prints what came back.
 *
 * <pre>
 * AdminCalls BOOTSTRAP NAME
 * </pre>
 *
 * NAME is of a topic and a group that do not exist. Prints one JSON object, from the name of each step to its result or
 * its error; nothing in it depends on which broker answered, so that the output of two can be compared.
 */
public final class AdminCalls {
    private final Map<String, Object> results = new LinkedHashMap<>();
    private final Admin admin;
    private final String name;

    private AdminCalls(Admin admin, String name) {
        this.admin = admin;
        this.name = name;
    }

    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]));
                KafkaProducer<String, String> producer = new KafkaProducer<>(
                        Map.of("bootstrap.servers", args[0], "acks", "all", "linger.ms", 0), new StringSerializer(), new StringSerializer())) {
            AdminCalls calls = new AdminCalls(admin, args[1]);
            calls.cluster();
            calls.topics();
            calls.configs();
            calls.offsets(producer);
            calls.groups();
            calls.deletion();
            System.out.println(new ObjectMapper().configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true).writeValueAsString(calls.results));
        }
    }

    private void step(String what, Callable<Object> call) throws Exception {
        try {
            results.put(what, call.call());
        } catch (ExecutionException error) {
            results.put(what, error.getCause().getClass().getSimpleName() + ": " + error.getCause().getMessage());
        }
    }

    private void cluster() throws Exception {
        step("describeCluster", () -> {
            var cluster = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            Collection<Node> nodes = cluster.nodes().get();
            return Map.of(
                    "nodes", nodes.size(), "controller is a node", nodes.contains(cluster.controller().get()),
                    "operations", new TreeSet<>(cluster.authorizedOperations().get()), "id", cluster.clusterId().get().length());
        });
    }

    private void topics() throws Exception {
        NewTopic topic = new NewTopic(name, 2, (short) 1).configs(Map.of("retention.ms", "-1"));
        step("createTopics, validate only", () -> created(admin.createTopics(List.of(topic), new CreateTopicsOptions().validateOnly(true))));
        step("createTopics", () -> created(admin.createTopics(List.of(topic))));
        step("createTopics again", () -> created(admin.createTopics(List.of(topic))));
        step("createTopics with defaults", () -> created(admin.createTopics(List.of(new NewTopic(name + "-defaults", Optional.empty(), Optional.empty())))));
        step("createPartitions", () -> admin.createPartitions(Map.of(name, NewPartitions.increaseTo(3))).all().get());
        awaitLeaders(3);
        step("createPartitions to fewer", () -> admin.createPartitions(Map.of(name, NewPartitions.increaseTo(1))).all().get());
        step("describeTopics", () -> described(admin.describeTopics(List.of(name)).allTopicNames().get().get(name)));
        step("describeTopics by id", () -> {
            Uuid id = admin.describeTopics(List.of(name)).allTopicNames().get().get(name).topicId();
            return described(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id));
        });
        step("describeTopics, missing", () -> admin.describeTopics(List.of(name + "-missing")).allTopicNames().get());
        step("listTopics", () -> admin.listTopics().names().get().contains(name));
    }

    private Object created(CreateTopicsResult result) throws Exception {
        Map<String, Object> all = new TreeMap<>();
        for (String topic : result.values().keySet()) {
            all.put("partitions", result.numPartitions(topic).get());
            all.put("replicas", result.replicationFactor(topic).get());
            all.put("configs", entries(result.config(topic).get()));
        }
        return all;
    }

    private static Object described(TopicDescription topic) {
        StringBuilder partitions = new StringBuilder();
        for (TopicPartitionInfo partition : topic.partitions()) {
            partitions.append(partition.partition()).append(partition.leader().equals(partition.replicas().get(0)))
                    .append(partition.replicas().size()).append(partition.isr().size());
        }
        return Map.of("name", topic.name().length(), "internal", topic.isInternal(), "partitions", partitions.toString());
    }

    private static Object entries(Config config) {
        Map<String, String> all = new TreeMap<>();
        for (ConfigEntry entry : config.entries()) {
            all.put(entry.name(), entry.value() + " " + entry.source() + " " + entry.type() + " read-only=" + entry.isReadOnly()
                    + " sensitive=" + entry.isSensitive() + " " + entry.synonyms() + " " + entry.documentation());
        }
        return all;
    }

    private void configs() throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
        DescribeConfigsOptions everything = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        step("incrementalAlterConfigs", () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
                new AlterConfigOp(new ConfigEntry("segment.ms", "7200000"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get());
        step("incrementalAlterConfigs, bad value", () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
                new AlterConfigOp(new ConfigEntry("segment.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
        step("describeConfigs", () -> entries(admin.describeConfigs(List.of(resource), everything).all().get().get(resource)));
    }

    private void offsets(KafkaProducer<String, String> producer) throws Exception {
        for (int number = 0; number < 5; number++) {
            producer.send(new ProducerRecord<>(name, 0, 1_700_000_000_000L + number * 1000, "k", "v" + number)).get();
        }
        TopicPartition partition = new TopicPartition(name, 0);
        Map<String, OffsetSpec> specs = new LinkedHashMap<>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("latest", OffsetSpec.latest());
        specs.put("max timestamp", OffsetSpec.maxTimestamp());
        specs.put("earliest local", OffsetSpec.earliestLocal());
        specs.put("latest tiered", OffsetSpec.latestTiered());
        specs.put("at a record", OffsetSpec.forTimestamp(1_700_000_002_000L));
        specs.put("between records", OffsetSpec.forTimestamp(1_700_000_002_001L));
        specs.put("after all", OffsetSpec.forTimestamp(1_900_000_000_000L));
        for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
            step("listOffsets, " + spec.getKey(), () -> admin.listOffsets(Map.of(partition, spec.getValue())).partitionResult(partition).get().toString());
        }
    }

    private void groups() throws Exception {
        TopicPartition partition = new TopicPartition(name, 0);
        step("alterConsumerGroupOffsets", () -> admin.alterConsumerGroupOffsets(name, Map.of(partition, new OffsetAndMetadata(3, Optional.of(0), "note"))).all().get());
        step("listConsumerGroupOffsets", () -> admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get().get(partition).toString());
        step("listConsumerGroupOffsets, missing", () -> admin.listConsumerGroupOffsets(
                Map.of(name + "-missing", new ListConsumerGroupOffsetsSpec())).all().get().size());
        step("listGroups", () -> admin.listGroups(new ListGroupsOptions()).all().get().stream()
                .filter(group -> group.groupId().equals(name)).map(group -> group.type() + " " + group.groupState() + " " + group.protocol()).toList());
        step("describeConsumerGroups", () -> {
            var group = admin.describeConsumerGroups(List.of(name)).all().get().get(name);
            return group.groupState() + " " + group.type() + " " + group.members() + " " + group.partitionAssignor() + " " + group.isSimpleConsumerGroup();
        });
        step("describeClassicGroups", () -> admin.describeClassicGroups(List.of(name)).all().get().get(name).state().toString());
        step("describeConsumerGroups, missing", () -> admin.describeConsumerGroups(List.of(name + "-missing")).all().get());
        step("deleteConsumerGroupOffsets", () -> admin.deleteConsumerGroupOffsets(name, Set.of(partition)).all().get());
        step("deleteConsumerGroups, missing", () -> admin.deleteConsumerGroups(List.of(name + "-missing")).all().get());
    }

    private void deletion() throws Exception {
        step("deleteTopics", () -> admin.deleteTopics(List.of(name, name + "-defaults")).all().get());
        step("deleteTopics, missing", () -> admin.deleteTopics(List.of(name + "-missing")).all().get());
        step("deleteTopics, missing id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).all().get());
    }

    private void awaitLeaders(int partitions) throws Exception {
        for (int tries = 0; tries < 200; tries++) {
            TopicDescription topic = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            if (topic.partitions().size() == partitions && topic.partitions().stream().noneMatch(partition -> partition.leader() == null)) {
                return;
            }
            Thread.sleep(50);
        }
    }
}
