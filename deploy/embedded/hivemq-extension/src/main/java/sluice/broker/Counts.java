package sluice.broker;

import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** What the broker refuses by itself, without the platform being asked: told with each list, and counted there. */
final class Counts {

    /** What is counted; told in lower case. */
    enum Counted {
        /** Publications, subscriptions and wills of a device outside of its own topics. */
        TOPICS_DENIED,
        /** Packets beyond the limit. */
        PACKETS_OVERSIZED,
        /** Publications of a device beyond its rate. */
        MESSAGES_LIMITED,
        /** Logins of a device beyond its rate. */
        LOGINS_LIMITED,
        /** Logins that the platform did not answer in time. */
        LOGINS_UNANSWERED
    }

    private final Map<Counted, Long> counts = new EnumMap<>(Counted.class);

    synchronized void add(final Counted counted) {
        counts.merge(counted, 1L, Long::sum);
    }

    /** Return what was counted since the last time. */
    synchronized Map<String, Long> take() {
        final Map<String, Long> taken = new HashMap<>();
        counts.forEach((counted, number) -> taken.put(counted.name().toLowerCase(Locale.ROOT), number));
        counts.clear();
        return taken;
    }
}
