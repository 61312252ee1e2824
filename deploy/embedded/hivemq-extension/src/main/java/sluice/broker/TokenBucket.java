package sluice.broker;

import java.util.function.LongSupplier;

/** Lets so much through per second, and more at once after a rest; it starts full. */
final class TokenBucket {

    private static final double NANOSECONDS = 1e9;

    private final double perSecond;
    private final double burst;
    private final LongSupplier clock;
    private double tokens;
    private long filledAt;

    /**
     * Make a bucket.
     *
     * @param perSecond Tokens that come back per second.
     * @param burst     Tokens that it holds.
     * @param clock     Nanoseconds, growing.
     */
    TokenBucket(final double perSecond, final double burst, final LongSupplier clock) {
        this.perSecond = perSecond;
        this.burst = burst;
        this.clock = clock;
        tokens = burst;
        filledAt = clock.getAsLong();
    }

    /** Take tokens and return true; take none and return false if there are not so many. */
    synchronized boolean take(final double wanted) {
        fill();
        if (tokens < wanted) {
            return false;
        }
        tokens -= wanted;
        return true;
    }

    synchronized boolean holds(final double wanted) {
        fill();
        return tokens >= wanted;
    }

    /** Return whether it is as if it were new. */
    boolean isFull() {
        return holds(burst);
    }

    private void fill() {
        final long now = clock.getAsLong();
        tokens = Math.min(burst, tokens + (now - filledAt) / NANOSECONDS * perSecond);
        filledAt = now;
    }
}
