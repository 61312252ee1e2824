package sluice.broker;

import com.hivemq.extension.sdk.api.client.ClientContext;
import com.hivemq.extension.sdk.api.client.parameter.InitializerInput;
import com.hivemq.extension.sdk.api.interceptor.publish.PublishInboundInterceptor;
import com.hivemq.extension.sdk.api.interceptor.publish.parameter.PublishInboundInput;
import com.hivemq.extension.sdk.api.interceptor.publish.parameter.PublishInboundOutput;
import com.hivemq.extension.sdk.api.interceptor.subscribe.SubscribeInboundInterceptor;
import com.hivemq.extension.sdk.api.interceptor.subscribe.parameter.SubscribeInboundInput;
import com.hivemq.extension.sdk.api.interceptor.subscribe.parameter.SubscribeInboundOutput;
import com.hivemq.extension.sdk.api.packets.general.MqttVersion;
import com.hivemq.extension.sdk.api.packets.publish.AckReasonCode;
import com.hivemq.extension.sdk.api.packets.subscribe.Subscription;
import com.hivemq.extension.sdk.api.services.intializer.ClientInitializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Drops what a device publishes outside of its own topics, and acknowledges it: HiveMQ's permissions alone would
 * disconnect an MQTT 3.1.1 client, which then comes back and does it again. They still guard subscriptions, which are
 * only counted here, and wills.
 *
 * <p>Nothing of a device is retained: it would outlive the session without a limit.
 */
final class OwnTopicsOnly implements ClientInitializer {

    private static final Logger LOG = LoggerFactory.getLogger(OwnTopicsOnly.class);

    private final Counts counts;
    private final Rarely refused = new Rarely(System::nanoTime);

    OwnTopicsOnly(final Counts counts) {
        this.counts = counts;
    }

    @Override
    public void initialize(final InitializerInput input, final ClientContext context) {
        Device.of(input.getConnectionInformation()).ifPresent(device -> {
            context.addPublishInboundInterceptor(new Guard(device.prefix(), counts, refused));
            context.addSubscribeInboundInterceptor(new Witness(device.prefix(), counts));
        });
    }

    private record Witness(String prefix, Counts counts) implements SubscribeInboundInterceptor {

        @Override
        public void onInboundSubscribe(final SubscribeInboundInput input, final SubscribeInboundOutput output) {
            for (final Subscription subscription : input.getSubscribePacket().getSubscriptions()) {
                if (!subscription.getTopicFilter().startsWith(prefix)) {
                    counts.add(Counts.Counted.TOPICS_DENIED);
                }
            }
        }
    }

    private record Guard(String prefix, Counts counts, Rarely refused) implements PublishInboundInterceptor {

        @Override
        public void onInboundPublish(final PublishInboundInput input, final PublishInboundOutput output) {
            if (!input.getPublishPacket().getTopic().startsWith(prefix)) {
                // MQTT 3.1.1 has no word for a refusal: HiveMQ would disconnect.
                final boolean tells = input.getConnectionInformation().getMqttVersion() == MqttVersion.V_5;
                output.preventPublishDelivery(tells ? AckReasonCode.NOT_AUTHORIZED : AckReasonCode.SUCCESS);
                report(input);
            } else if (input.getPublishPacket().getRetain()) {
                output.getPublishPacket().setRetain(false);
            }
        }

        private void report(final PublishInboundInput input) {
            counts.add(Counts.Counted.TOPICS_DENIED);
            refused.count().ifPresent(count -> LOG.warn("publish_refused clientid={} topic={} count={}",
                    input.getClientInformation().getClientId(), input.getPublishPacket().getTopic(), count));
        }
    }
}
