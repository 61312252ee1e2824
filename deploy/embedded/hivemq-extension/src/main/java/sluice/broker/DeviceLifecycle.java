package sluice.broker;

import com.hivemq.extension.sdk.api.async.Async;
import com.hivemq.extension.sdk.api.async.TimeoutFallback;
import com.hivemq.extension.sdk.api.client.parameter.ConnectionAttributeStore;
import com.hivemq.extension.sdk.api.events.client.ClientLifecycleEventListener;
import com.hivemq.extension.sdk.api.events.client.parameters.AuthenticationSuccessfulInput;
import com.hivemq.extension.sdk.api.events.client.parameters.ConnectionStartInput;
import com.hivemq.extension.sdk.api.events.client.parameters.DisconnectEventInput;
import com.hivemq.extension.sdk.api.events.client.parameters.ServerInitiatedDisconnectInput;
import com.hivemq.extension.sdk.api.interceptor.connack.ConnackOutboundInterceptor;
import com.hivemq.extension.sdk.api.interceptor.connack.parameter.ConnackOutboundInput;
import com.hivemq.extension.sdk.api.interceptor.connack.parameter.ConnackOutboundOutput;
import com.hivemq.extension.sdk.api.packets.connect.ConnackReasonCode;
import com.hivemq.extension.sdk.api.packets.general.DisconnectedReasonCode;
import com.hivemq.extension.sdk.api.packets.general.Qos;
import com.hivemq.extension.sdk.api.services.Services;
import com.hivemq.extension.sdk.api.services.builder.Builders;
import com.hivemq.extension.sdk.api.services.subscription.TopicSubscription;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows a device from CONNACK to disconnect: subscribes it to its down topics before it sees the CONNACK, announces
 * it, and ends an older connection of the same device under another client id.
 */
final class DeviceLifecycle implements ConnackOutboundInterceptor, ClientLifecycleEventListener {

    private static final Logger LOG = LoggerFactory.getLogger(DeviceLifecycle.class);
    private static final String CONNECTED_AT = "sluice.connected_at";
    private static final Duration SUBSCRIBE_DEADLINE = Duration.ofSeconds(10);

    private final Sessions sessions;
    private final Counts counts;

    DeviceLifecycle(final Sessions sessions, final Counts counts) {
        this.sessions = sessions;
        this.counts = counts;
    }

    @Override
    public void onOutboundConnack(final ConnackOutboundInput input, final ConnackOutboundOutput output) {
        if (input.getConnackPacket().getReasonCode() == ConnackReasonCode.SUCCESS) {
            Device.of(input.getConnectionInformation()).ifPresent(device -> connected(device, input, output));
        }
    }

    private void connected(final Device device, final ConnackOutboundInput input, final ConnackOutboundOutput output) {
        final String clientId = input.getClientInformation().getClientId();
        final Sessions.Opened opened = sessions.open(device.id(), clientId);
        attributes(input).putAsString(CONNECTED_AT, Long.toString(opened.session().connectedAt()));
        final Async<ConnackOutboundOutput> answer = output.async(SUBSCRIBE_DEADLINE, TimeoutFallback.FAILURE);
        final CompletableFuture<Void> ended = opened.replaced().map(DeviceLifecycle::end).orElseGet(DeviceLifecycle::done);
        ended.thenCompose(nothing -> Services.subscriptionStore().addSubscriptions(clientId, subscriptions(device)))
                .whenComplete((nothing, error) -> {
                    if (error != null) {
                        // A device that went at once has no session; any other asks again when it reconnects.
                        LOG.warn("implicit_subscription_failed clientid={} error={}", clientId, error.toString());
                        Services.clientService().disconnectClient(clientId);
                    } else {
                        sessions.announce(opened.session());
                    }
                    answer.resume();
                });
    }

    /** End the session of an older client id of the same device, with what was queued for it. */
    private static CompletableFuture<Void> end(final String clientId) {
        return Services.clientService().invalidateSession(clientId).handle((found, error) -> {
            if (error != null) {
                LOG.warn("old_session_not_ended clientid={} error={}", clientId, error.toString());
            }
            return null;
        });
    }

    private static CompletableFuture<Void> done() {
        return CompletableFuture.completedFuture(null);
    }

    private static Set<TopicSubscription> subscriptions(final Device device) {
        return device.downTopics().stream()
                // No local: what a device publishes below one of them does not come back to it.
                .map(topic -> Builders.topicSubscription().topicFilter(topic).qos(Qos.AT_LEAST_ONCE).noLocal(true).build())
                .collect(Collectors.toUnmodifiableSet());
    }

    private static ConnectionAttributeStore attributes(final ConnackOutboundInput input) {
        return input.getConnectionInformation().getConnectionAttributeStore();
    }

    @Override
    public void onMqttConnectionStart(final ConnectionStartInput input) {
        // Nobody is connected before the platform agreed.
    }

    @Override
    public void onAuthenticationSuccessful(final AuthenticationSuccessfulInput input) {
        // Announced once it is subscribed.
    }

    @Override
    public void onServerInitiatedDisconnect(final ServerInitiatedDisconnectInput input) {
        if (input.getReasonCode().filter(DisconnectedReasonCode.PACKET_TOO_LARGE::equals).isPresent()) {
            counts.add(Counts.Counted.PACKETS_OVERSIZED);
        }
        onDisconnect(input);
    }

    @Override
    public void onDisconnect(final DisconnectEventInput input) {
        final var connection = input.getConnectionInformation();
        Device.of(connection).ifPresent(device -> connection
                .getConnectionAttributeStore()
                .getAsString(CONNECTED_AT)
                .ifPresent(at -> sessions.close(
                        device.id(), input.getClientInformation().getClientId(), Long.parseLong(at))));
    }
}
