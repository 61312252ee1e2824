package sluice.broker;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.hivemq.extension.sdk.api.services.Services;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the platform who is connected: each change in order and in batches, and the full list at the start, regularly,
 * and whenever something may have been missed.
 *
 * <p>Presence is a hint: what is lost is made up by the next list.
 */
final class PresencePoster implements Sessions.Observer {

    /** A change of one device. */
    record Change(
            String event,
            String clientid,
            String username,
            @JsonProperty("connected_at") long connectedAt,
            String node,
            @JsonProperty("boot_id") String bootId) {}

    /** One of those that are connected. */
    record Connected(String clientid, String username, @JsonProperty("connected_at") long connectedAt) {}

    /** All that are connected to the broker that was started as {@code bootId}, and what it refused since the last list. */
    record Everybody(
            String event,
            String node,
            @JsonProperty("boot_id") String bootId,
            List<Connected> clients,
            Map<String, Long> counts) {}

    private static final Logger LOG = LoggerFactory.getLogger(PresencePoster.class);
    private static final String NODE = "embedded";
    private static final int BATCH = 500;
    private static final long LINGER_MS = 20;
    private static final long FIRST_RETRY_MS = 200;
    private static final long LONGEST_RETRY_MS = 5_000;
    private static final int OK = 200;
    private static final int REDIRECTION = 300;
    private static final int BAD_REQUEST = 400;
    private static final int TOO_LARGE = 413;

    private final Hooks hooks;
    private final Settings settings;
    private final String bootId;
    private final Counts counts;
    private final Deque<Change> queue = new ArrayDeque<>();
    private final Thread thread = new Thread(this::run, "presence");
    private Supplier<List<Sessions.Session>> everybody = List::of;
    private long dropped;
    private long listAt;

    PresencePoster(final Hooks hooks, final Settings settings, final String bootId, final Counts counts) {
        this.hooks = hooks;
        this.settings = settings;
        this.bootId = bootId;
        this.counts = counts;
        thread.setDaemon(true);
    }

    void listFrom(final Supplier<List<Sessions.Session>> source) {
        everybody = source;
    }

    void start() {
        LOG.info("presence_started boot_id={}", bootId);
        listAt = now();
        thread.start();
    }

    void stop() {
        thread.interrupt();
    }

    @Override
    public void connected(final Sessions.Session session) {
        add(change("client.connected", session));
    }

    @Override
    public void disconnected(final Sessions.Session session) {
        add(change("client.disconnected", session));
    }

    private Change change(final String event, final Sessions.Session session) {
        return new Change(event, session.clientId(), session.device(), session.connectedAt(), NODE, bootId);
    }

    private synchronized void add(final Change change) {
        if (queue.size() >= settings.presenceQueue()) {
            queue.removeFirst();
            dropped++;
        }
        queue.addLast(change);
        notifyAll();
    }

    private void run() {
        try {
            while (!Thread.currentThread().isInterrupted()) {
                postOnce();
            }
        } catch (final InterruptedException error) {
            LOG.debug("presence_stopped");
        }
    }

    private void postOnce() throws InterruptedException {
        final List<Change> batch = take();
        if (!batch.isEmpty()) {
            post(batch);
        } else if (now() - listAt >= 0) {
            listAt = now() + settings.listInterval().toMillis();
            post(list());
        }
    }

    /** Wait for changes, and a moment longer for more of them; empty when the list is due. */
    private synchronized List<Change> take() throws InterruptedException {
        while (queue.isEmpty()) {
            final long wait = listAt - now();
            if (wait <= 0) {
                return List.of();
            }
            wait(wait);
        }
        if (queue.size() < BATCH) {
            wait(LINGER_MS);
        }
        final List<Change> batch = new ArrayList<>();
        while (batch.size() < BATCH && !queue.isEmpty()) {
            batch.add(queue.removeFirst());
        }
        return batch;
    }

    private Everybody list() {
        final List<Connected> clients = everybody.get().stream()
                .map(session -> new Connected(session.clientId(), session.device(), session.connectedAt()))
                .toList();
        return new Everybody("clients.connected", NODE, bootId, clients, counts.take());
    }

    /** Post until it is taken. Who was away may have forgotten more than this: the list follows. */
    private void post(final Object content) throws InterruptedException {
        long pause = FIRST_RETRY_MS;
        for (boolean first = true; !isTaken(content, first); first = false) {
            listAt = now();
            Thread.sleep(pause);
            pause = Math.min(2 * pause, LONGEST_RETRY_MS);
        }
        reportDropped();
    }

    private boolean isTaken(final Object content, final boolean first) throws InterruptedException {
        try {
            final Hooks.Taken taken = hooks.postPresence(content);
            final int status = taken.status();
            taken.disconnect().forEach(PresencePoster::end);
            if (status >= OK && status < REDIRECTION) {
                return true;
            }
            report(first, "status " + status);
            return status == BAD_REQUEST || status == TOO_LARGE; // it would be refused again
        } catch (final IOException error) {
            report(first, error.toString());
            return false;
        }
    }

    /** End the session of a device that was deleted, with what was queued for it. */
    private static void end(final String clientId) {
        LOG.info("unknown_device_disconnected clientid={}", clientId);
        Services.clientService().invalidateSession(clientId);
    }

    private static void report(final boolean first, final String reason) {
        if (first) {
            LOG.warn("presence_not_taken reason={}", reason);
        }
    }

    private synchronized void reportDropped() {
        if (dropped > 0) {
            LOG.warn("presence_dropped count={}", dropped);
            dropped = 0;
            listAt = now();
        }
    }

    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
