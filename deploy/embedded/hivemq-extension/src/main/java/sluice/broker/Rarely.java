package sluice.broker;

import java.util.OptionalLong;
import java.util.function.LongSupplier;

/** Keeps a log readable when thousands of devices cause the same line at once: one a second, with a count. */
final class Rarely {

    private static final long INTERVAL = 1_000_000_000;

    private final LongSupplier clock;
    private long next;
    private long count;

    /**
     * Make one for a kind of line.
     *
     * @param clock Nanoseconds, growing.
     */
    Rarely(final LongSupplier clock) {
        this.clock = clock;
        next = clock.getAsLong();
    }

    /** Count one, and return how many there were since the last line if it is time for the next. */
    synchronized OptionalLong count() {
        count++;
        final long now = clock.getAsLong();
        if (now - next < 0) {
            return OptionalLong.empty();
        }
        final long found = count;
        count = 0;
        next = now + INTERVAL;
        return OptionalLong.of(found);
    }
}
