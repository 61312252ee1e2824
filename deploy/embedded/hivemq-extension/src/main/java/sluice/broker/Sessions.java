package sluice.broker;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * The latest session of each device since the start. A device has one: whoever comes last holds it.
 *
 * <p>Times of one device's connections grow strictly, also within a millisecond: they are their epochs.
 */
final class Sessions {

    /**
     * One connection of a device.
     *
     * @param device      Its user name.
     * @param clientId    Its MQTT client id.
     * @param connectedAt Milliseconds since 1970.
     */
    record Session(String device, String clientId, long connectedAt) {}

    /**
     * What opening a session came to.
     *
     * @param session  The new session.
     * @param replaced Client id of the device's earlier session that is to end; empty if it is the same or none.
     */
    record Opened(Session session, Optional<String> replaced) {}

    /** Is told of each connection and each end, in order. */
    interface Observer {

        void connected(Session session);

        void disconnected(Session session);
    }

    private record Entry(Session session, boolean announced, boolean ended) {}

    private final Map<String, Entry> latest = new HashMap<>();
    private final Observer observer;
    private final LongSupplier clock;

    Sessions(final Observer observer, final LongSupplier clock) {
        this.observer = observer;
        this.clock = clock;
    }

    synchronized Opened open(final String device, final String clientId) {
        final Entry before = latest.get(device);
        final long earliest = before == null ? 0 : before.session().connectedAt() + 1;
        final Session session = new Session(device, clientId, Math.max(clock.getAsLong(), earliest));
        latest.put(device, new Entry(session, false, false));
        final Optional<String> replaced = Optional.ofNullable(before)
                .map(entry -> entry.session().clientId())
                .filter(other -> !other.equals(clientId));
        return new Opened(session, replaced);
    }

    /** Tell that a session serves, unless it has ended or was replaced meanwhile. */
    synchronized void announce(final Session session) {
        final Entry entry = latest.get(session.device());
        if (entry != null && entry.session().equals(session) && !entry.ended()) {
            latest.put(session.device(), new Entry(session, true, false));
            observer.connected(session);
        }
    }

    synchronized void close(final String device, final String clientId, final long connectedAt) {
        final Session session = new Session(device, clientId, connectedAt);
        final Entry entry = latest.get(device);
        if (entry != null && entry.session().equals(session)) {
            latest.put(device, new Entry(session, entry.announced(), true));
        }
        observer.disconnected(session);
    }

    synchronized List<Session> connected() {
        return latest.values().stream()
                .filter(entry -> entry.announced() && !entry.ended())
                .map(Entry::session)
                .toList();
    }
}
