package sluice.broker;

import java.util.function.LongSupplier;

/**
 * How much one device may say, and how often it may come: the queue of what all devices report is shared, and so is the
 * platform that is asked about each login. It outlives a connection: who comes again has no more than before.
 */
final class Allowance {

    /** What a topic and a packet's head add to a payload, about. */
    private static final int HEAD = 64;

    private final TokenBucket messages;
    private final TokenBucket bytes;
    private final TokenBucket logins;

    Allowance(final Settings.Limits limits, final LongSupplier clock) {
        messages = new TokenBucket(limits.messageRate(), limits.messageBurst(), clock);
        bytes = new TokenBucket(limits.byteRate(), limits.byteBurst(), clock);
        logins = new TokenBucket(limits.loginRate(), limits.loginBurst(), clock);
    }

    /** Return whether a publication may pass; one that may not costs nothing. */
    boolean admits(final int payload) {
        return messages.holds(1) && bytes.take(HEAD + payload) && messages.take(1);
    }

    /** Return whether the device may log in once more. */
    boolean admitsLogin() {
        return logins.holds(1);
    }

    /** Count a login that the platform has allowed: a stranger who guesses does not use up what a device has. */
    void loggedIn() {
        logins.take(1);
    }

    boolean isUnused() {
        return messages.isFull() && bytes.isFull() && logins.isFull();
    }
}
