package sluice.broker;

import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** The allowances of all devices that have used some of theirs lately. */
final class Allowances {

    /** Logins after which those that are as new are forgotten. */
    private static final int LOGINS = 4_096;

    private final Map<String, Allowance> ofDevice = new HashMap<>();
    private final Settings.Limits limits;
    private final LongSupplier clock;
    private int logins;

    /**
     * Make them.
     *
     * @param limits Of each device.
     * @param clock  Nanoseconds, growing.
     */
    Allowances(final Settings.Limits limits, final LongSupplier clock) {
        this.limits = limits;
        this.clock = clock;
    }

    /** Return whether a device may log in once more; one that nobody knows may. */
    synchronized boolean admitsLogin(final String device) {
        final Allowance known = ofDevice.get(device);
        return known == null || known.admitsLogin();
    }

    /** Count the login of a device. */
    synchronized void loggedIn(final String device) {
        logins++;
        if (logins % LOGINS == 0) {
            ofDevice.values().removeIf(Allowance::isUnused);
        }
        of(device).loggedIn();
    }

    synchronized Allowance of(final String device) {
        return ofDevice.computeIfAbsent(device, unknown -> new Allowance(limits, clock));
    }
}
