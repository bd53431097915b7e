import io.apicurio.registry.resolver.client.RegistryArtifactReference;
import io.apicurio.registry.resolver.client.RegistryClientFacade;
import io.apicurio.registry.resolver.client.RegistryVersionCoordinates;
import io.apicurio.registry.resolver.strategy.ArtifactReference;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.RestService;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.Schema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;

/** What Apicurio's serialisers ask a registry for, asked by Confluent's client: an artifact is a subject. */
final class ConfluentFacade implements RegistryClientFacade {
    private final RestService service;

    ConfluentFacade(String url) {
        service = new RestService(url);
    }

    private static <T> T asked(Callable<T> question) {
        try {
            return question.call();
        } catch (RuntimeException thrown) {
            throw thrown;
        } catch (Exception thrown) {
            throw new IllegalStateException(thrown.getMessage(), thrown);
        }
    }

    private static RegistryVersionCoordinates coordinates(Schema found) {
        long id = found.getId();
        return RegistryVersionCoordinates.create(
                id, id, "default", found.getSubject(), String.valueOf(found.getVersion()));
    }

    private static List<RegistryArtifactReference> references(List<SchemaReference> found) {
        return found.stream().map(each -> RegistryArtifactReference.builder().name(each.getName())
                .groupId("default").artifactId(each.getSubject()).version(String.valueOf(each.getVersion())).build())
                .toList();
    }

    @Override
    public String getSchemaByContentId(Long id) {
        return asked(() -> service.getId(id.intValue()).getSchemaString());
    }

    @Override
    public String getSchemaByGlobalId(long id, boolean dereferenced) {
        return getSchemaByContentId(id);
    }

    @Override
    public String getSchemaByGAV(String group, String subject, String version) {
        return asked(() -> found(subject, version).getSchema());
    }

    private Schema found(String subject, String version) throws Exception {
        return version == null || version.isEmpty()
                ? service.getLatestVersion(subject)
                : service.getVersion(subject, Integer.parseInt(version));
    }

    @Override
    public String getSchemaByContentHash(String hash) {
        throw new UnsupportedOperationException("there are no hashes");
    }

    @Override
    public List<RegistryArtifactReference> getReferencesByContentId(long id) {
        return asked(() -> references(service.getId((int) id).getReferences()));
    }

    @Override
    public List<RegistryArtifactReference> getReferencesByGlobalId(long id) {
        return getReferencesByContentId(id);
    }

    @Override
    public List<RegistryArtifactReference> getReferencesByGAV(String group, String subject, String version) {
        return asked(() -> references(found(subject, version).getReferences()));
    }

    @Override
    public List<RegistryArtifactReference> getReferencesByContentHash(String hash) {
        throw new UnsupportedOperationException("there are no hashes");
    }

    @Override
    public List<RegistryVersionCoordinates> searchVersionsByContent(
            String text, String type, ArtifactReference subject, boolean canonical) {
        return asked(() -> {
            try {
                return List.of(coordinates(
                        service.lookUpSubjectVersion(text, type, List.of(), subject.getArtifactId(), canonical, false)));
            } catch (RestClientException refused) {
                if (refused.getStatus() == 404) {
                    return List.of();
                }
                throw refused;
            }
        });
    }

    @Override
    public RegistryVersionCoordinates createSchema(String type, String group, String subject, String version,
            String ifExists, boolean canonical, String text, Set<RegistryArtifactReference> refers) {
        List<SchemaReference> references = refers == null ? List.of() : refers.stream().map(each ->
                new SchemaReference(each.getName(), each.getArtifactId(), Integer.parseInt(each.getVersion()))).toList();
        return asked(() -> {
            service.registerSchema(text, type, references, subject);
            return coordinates(service.lookUpSubjectVersion(text, type, references, subject, canonical, false));
        });
    }

    @Override
    public RegistryVersionCoordinates getVersionCoordinatesByGAV(String group, String subject, String version) {
        return asked(() -> coordinates(found(subject, version)));
    }

    @Override
    public Object getClient() {
        return service;
    }
}
