package sluice.broker;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/**
 * What the broker is told by its environment, each as {@code SLUICE_BROKER_<NAME>}.
 *
 * @param home          Folder with HiveMQ's {@code conf} and {@code data}.
 * @param hookUrl       Base of the hooks of the mqtt-gateway, without {@code /authenticate}.
 * @param hookSecret    Shared secret that the hooks ask for ({@code SLUICE_MQTT_HOOK_SECRET}).
 * @param loginDeadline How long a CONNECT may wait for its answer; refused afterwards.
 * @param loginsAtOnce  Requests to the authentication hook in flight; others wait.
 * @param postDeadline  How long one presence request may take.
 * @param listInterval  How often the full list of connected devices is posted.
 * @param presenceQueue Presence events kept while the hook is away; the oldest go first, the next full list makes up.
 * @param deviceQueue   Messages that wait for one device; further ones are dropped.
 * @param limits        What one device may do.
 */
record Settings(
        Path home,
        URI hookUrl,
        String hookSecret,
        Duration loginDeadline,
        int loginsAtOnce,
        Duration postDeadline,
        Duration listInterval,
        int presenceQueue,
        int deviceQueue,
        Limits limits) {

    /**
     * What one device may do per second, and at once after a rest.
     *
     * @param messageRate  Publications per second.
     * @param messageBurst Publications at once.
     * @param byteRate     Bytes of publications per second.
     * @param byteBurst    Bytes of publications at once; a packet that is larger never passes.
     * @param loginRate    Logins per second.
     * @param loginBurst   Logins at once.
     */
    record Limits(
            double messageRate, int messageBurst, double byteRate, int byteBurst, double loginRate, int loginBurst) {

        private static Limits from(final Map<String, String> environment) {
            return new Limits(
                    number(environment, "SLUICE_BROKER_DEVICE_MESSAGES_PER_MINUTE", 600) / SECONDS,
                    number(environment, "SLUICE_BROKER_DEVICE_MESSAGES_BURST", 3_000),
                    number(environment, "SLUICE_BROKER_DEVICE_BYTES_PER_MINUTE", 983_040) / SECONDS,
                    number(environment, "SLUICE_BROKER_DEVICE_BYTES_BURST", 2_097_152),
                    number(environment, "SLUICE_BROKER_DEVICE_LOGINS_PER_MINUTE", 30) / SECONDS,
                    number(environment, "SLUICE_BROKER_DEVICE_LOGINS_BURST", 30));
        }
    }

    private static final double SECONDS = 60;

    static Settings from(final Map<String, String> environment) {
        return new Settings(
                Path.of(required(environment, "SLUICE_BROKER_HOME")),
                URI.create(required(environment, "SLUICE_BROKER_HOOK_URL")),
                required(environment, "SLUICE_MQTT_HOOK_SECRET"),
                milliseconds(environment, "SLUICE_BROKER_LOGIN_DEADLINE_MS", 10_000),
                number(environment, "SLUICE_BROKER_LOGINS_AT_ONCE", 64),
                milliseconds(environment, "SLUICE_BROKER_POST_DEADLINE_MS", 5_000),
                milliseconds(environment, "SLUICE_BROKER_LIST_INTERVAL_MS", 60_000),
                number(environment, "SLUICE_BROKER_PRESENCE_QUEUE", 20_000),
                number(environment, "SLUICE_BROKER_DEVICE_QUEUE", 100),
                Limits.from(environment));
    }

    private static String required(final Map<String, String> environment, final String name) {
        final String value = environment.get(name);
        if (value == null || value.isBlank()) {
            throw new IllegalArgumentException(name + " is not set");
        }
        return value;
    }

    private static Duration milliseconds(final Map<String, String> environment, final String name, final int otherwise) {
        return Duration.ofMillis(number(environment, name, otherwise));
    }

    private static int number(final Map<String, String> environment, final String name, final int otherwise) {
        final String value = environment.get(name);
        if (value == null || value.isBlank()) {
            return otherwise;
        }
        try {
            final int found = Integer.parseInt(value.strip());
            if (found > 0) {
                return found;
            }
        } catch (final NumberFormatException error) {
            // Refused below, with the name of the setting.
        }
        throw new IllegalArgumentException(name + " must be a positive number, not " + value);
    }
}
