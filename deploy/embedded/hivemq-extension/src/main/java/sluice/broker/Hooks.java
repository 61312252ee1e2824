package sluice.broker;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The hooks of the mqtt-gateway, with the bodies of EMQX's HTTP authentication. */
final class Hooks {

    private static final int OK = 200;
    private static final int REDIRECTION = 300;
    private static final int THREADS = 2;

    /** A login as the authentication hook gets it. */
    record Login(String clientid, String username, String password, String peerhost) {

        @Override
        public String toString() {
            return "Login[" + clientid + "]";
        }
    }

    /** The hook's answer; whatever is not plainly "allow" is a refusal. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Verdict(String result, @JsonProperty("is_superuser") boolean superuser) {

        boolean allows() {
            return "allow".equals(result);
        }
    }

    /**
     * The hook's answer to presence.
     *
     * @param status     The HTTP status.
     * @param disconnect Client ids of devices that the platform does not know any more.
     */
    record Taken(int status, List<String> disconnect) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    private record Unwanted(List<String> disconnect) {}

    private final ObjectMapper json = new ObjectMapper();
    private final Settings settings;
    private final HttpClient client;
    private final Gate gate;
    /**
     * How long a login may wait for its turn, and then again for its answer: together no longer than the client is kept
     * waiting, so that no question is put whose answer would come too late.
     */
    private final Duration patience;

    Hooks(final Settings settings) {
        this.settings = settings;
        final ExecutorService threads = Executors.newFixedThreadPool(THREADS, task -> {
            final Thread thread = new Thread(task, "hooks");
            thread.setDaemon(true);
            return thread;
        });
        client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(settings.postDeadline())
                .executor(threads)
                .build();
        patience = settings.loginDeadline().dividedBy(2);
        gate = new Gate(settings.loginsAtOnce(), patience, System::nanoTime, threads);
    }

    /** Ask whether a client may log in. The answer fails if the hook does, or if there are too many before. */
    CompletableFuture<Verdict> authenticate(final Login login) {
        return gate.pass(() -> client.sendAsync(request("authenticate", login, patience), body())
                .thenApply(this::verdict));
    }

    /** Post presence and wait for the answer. */
    Taken postPresence(final Object content) throws IOException, InterruptedException {
        final HttpResponse<String> response = client.send(request("presence", content, settings.postDeadline()), body());
        return new Taken(response.statusCode(), response.statusCode() == OK ? unwanted(response.body()) : List.of());
    }

    private List<String> unwanted(final String body) {
        try {
            final Unwanted unwanted = json.readValue(body, Unwanted.class);
            return unwanted == null || unwanted.disconnect() == null ? List.of() : unwanted.disconnect();
        } catch (final JsonProcessingException error) {
            return List.of(); // another broker's gateway may answer otherwise: it names nobody
        }
    }

    private Verdict verdict(final HttpResponse<String> response) {
        final int status = response.statusCode();
        if (status < OK || status >= REDIRECTION) {
            throw new CompletionException(new IOException("the authentication hook answered " + status));
        }
        try {
            return json.readValue(response.body(), Verdict.class);
        } catch (final JsonProcessingException error) {
            // The text of the error would carry the body.
            throw new CompletionException(new IOException("the authentication hook answered no verdict"));
        }
    }

    private HttpRequest request(final String hook, final Object content, final Duration deadline) {
        try {
            return HttpRequest.newBuilder(settings.hookUrl().resolve(settings.hookUrl().getPath() + "/" + hook))
                    .timeout(deadline)
                    .header("Content-Type", "application/json")
                    .header("Authorization", "Bearer " + settings.hookSecret())
                    .POST(BodyPublishers.ofByteArray(json.writeValueAsBytes(content)))
                    .build();
        } catch (final JsonProcessingException error) {
            throw new IllegalArgumentException("no JSON for " + hook, error);
        }
    }

    private static HttpResponse.BodyHandler<String> body() {
        return BodyHandlers.ofString(StandardCharsets.UTF_8);
    }
}
