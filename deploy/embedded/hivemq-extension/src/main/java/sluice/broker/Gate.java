package sluice.broker;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/** Lets so many requests through at once; others wait in order, and fail if their turn comes after the deadline. */
final class Gate {

    private final int width;
    private final long deadline;
    private final LongSupplier clock;
    private final Executor executor;
    private final Queue<Turn<?>> waiting = new ArrayDeque<>();
    private int inside;

    /**
     * Make a gate.
     *
     * @param width    Requests inside at once.
     * @param deadline How long one may wait for its turn.
     * @param clock    Nanoseconds, growing.
     * @param executor Runs what follows an answer.
     */
    Gate(final int width, final Duration deadline, final LongSupplier clock, final Executor executor) {
        this.width = width;
        this.deadline = deadline.toNanos();
        this.clock = clock;
        this.executor = executor;
    }

    <T> CompletableFuture<T> pass(final Supplier<CompletableFuture<T>> request) {
        final Turn<T> turn = new Turn<>(request, new CompletableFuture<>(), clock.getAsLong() + deadline);
        synchronized (this) {
            if (inside == width) {
                waiting.add(turn);
                return turn.answer();
            }
            inside++;
        }
        begin(turn);
        return turn.answer();
    }

    private <T> void begin(final Turn<T> turn) {
        turn.start().whenCompleteAsync((value, error) -> {
            leave();
            if (error != null) {
                turn.answer().completeExceptionally(error);
            } else {
                turn.answer().complete(value);
            }
        }, executor);
    }

    private void leave() {
        while (true) {
            final Turn<?> next;
            synchronized (this) {
                next = waiting.poll();
                if (next == null) {
                    inside--;
                    return;
                }
            }
            if (clock.getAsLong() - next.until() <= 0) {
                begin(next);
                return;
            }
            next.answer().completeExceptionally(new TimeoutException("waited for its turn"));
        }
    }

    private record Turn<T>(Supplier<CompletableFuture<T>> request, CompletableFuture<T> answer, long until) {

        CompletableFuture<T> start() {
            try {
                return request.get();
            } catch (final RuntimeException error) {
                return CompletableFuture.failedFuture(error);
            }
        }
    }
}
