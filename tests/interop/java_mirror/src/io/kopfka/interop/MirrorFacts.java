package io.kopfka.interop;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.connect.mirror.MirrorClient;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/**
 * Prints what Java's clients of MirrorMaker 2 make of a target's topics.
 *
 * <p>Arguments: bootstrap server, alias of the source, groups. Lines: `hops N`, `upstream A,B`, `topics A,B`,
 * `heartbeats A,B`, `checkpoints A,B`, `source TOPIC`, and `translated GROUP TOPIC PARTITION OFFSET METADATA` for each.
 */
public final class MirrorFacts {
    private MirrorFacts() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", arguments[0]));
        String alias = arguments[1];
        try (MirrorClient client = new MirrorClient(properties)) {
            System.out.println("hops " + client.replicationHops(alias));
            System.out.println("upstream " + String.join(",", new TreeSet<>(client.upstreamClusters())));
            System.out.println("topics " + String.join(",", new TreeSet<>(client.remoteTopics(alias))));
            System.out.println("heartbeats " + String.join(",", new TreeSet<>(client.heartbeatTopics())));
            System.out.println("checkpoints " + String.join(",", new TreeSet<>(client.checkpointTopics())));
        }
        for (int at = 2; at < arguments.length; at++) {
            String group = arguments[at];
            RemoteClusterUtils.translateOffsets(properties, alias, group, Duration.ofSeconds(20))
                    .forEach((partition, offset) -> System.out.println("translated " + group + " " + partition.topic()
                            + " " + partition.partition() + " " + offset.offset() + " " + offset.metadata()));
        }
    }
}
