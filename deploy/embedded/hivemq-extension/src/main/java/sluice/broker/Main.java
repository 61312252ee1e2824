package sluice.broker;

import com.hivemq.configuration.service.InternalConfigurations;
import com.hivemq.embedded.EmbeddedExtension;
import com.hivemq.embedded.EmbeddedHiveMQ;
import java.util.concurrent.ExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts HiveMQ with the extension and runs until it is told to end. */
public final class Main {

    private static final Logger LOG = LoggerFactory.getLogger(Main.class);
    /** Stores are divided into this many parts; 64, HiveMQ's default, is for large machines and slows the start. */
    private static final int BUCKETS = 8;
    /** Messages on their way to one client; 50, HiveMQ's default, starves a gateway that waits for Kafka. */
    private static final int IN_FLIGHT = 1_000;
    /** Time that stores get to take what was begun when the broker ends; 2 s by default. */
    private static final int STORES_END_MS = 500;

    private Main() {}

    public static void main(final String[] arguments) throws InterruptedException {
        try {
            run(Settings.from(System.getenv()));
        } catch (final IllegalArgumentException | IllegalStateException | ExecutionException error) {
            LOG.error("broker_not_started {}", error.getMessage(), error.getCause());
            System.exit(1);
        }
    }

    private static void run(final Settings settings) throws InterruptedException, ExecutionException {
        final BrokerExtension extension = new BrokerExtension(settings);
        @SuppressWarnings("try") // it is closed by the shutdown hook
        final EmbeddedHiveMQ broker = build(settings, extension);
        InternalConfigurations.MQTT_ALLOW_DOLLAR_TOPICS.set(true);
        // The embedded builder lets everybody in unless an extension objects: fail closed.
        InternalConfigurations.AUTH_DENY_UNAUTHENTICATED_CONNECTIONS.set(true);
        InternalConfigurations.JMX_REPORTER_ENABLED.set(false);
        InternalConfigurations.PERSISTENCE_BUCKET_COUNT.set(BUCKETS);
        InternalConfigurations.MAX_INFLIGHT_WINDOW_SIZE_MESSAGES = IN_FLIGHT;
        InternalConfigurations.PERSISTENCE_SHUTDOWN_GRACE_PERIOD_MSEC.set(STORES_END_MS);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(broker), "close-broker"));
        broker.start().get();
        if (!extension.isStarted()) {
            throw new IllegalStateException("the extension did not start");
        }
        LOG.info("broker_started");
    }

    private static EmbeddedHiveMQ build(final Settings settings, final BrokerExtension extension) {
        return EmbeddedHiveMQ.builder()
                .withConfigurationFolder(settings.home().resolve("conf"))
                .withDataFolder(settings.home().resolve("data"))
                .withExtensionsFolder(settings.home().resolve("extensions"))
                .withoutLoggingBootstrap()
                .withEmbeddedExtension(EmbeddedExtension.builder()
                        .withId("sluice")
                        .withName("Sluice")
                        .withVersion("0.1.0")
                        .withAuthor("Sluice")
                        .withExtensionMain(extension)
                        .build())
                .build();
    }

    private static void close(final EmbeddedHiveMQ broker) {
        try {
            broker.close();
        } catch (final ExecutionException error) {
            LOG.warn("broker_close_failed", error);
        } catch (final InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
