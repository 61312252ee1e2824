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
import com.hivemq.extension.sdk.api.packets.publish.PublishPacket;
import com.hivemq.extension.sdk.api.packets.subscribe.Subscription;
import com.hivemq.extension.sdk.api.services.intializer.ClientInitializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Drops what a device publishes outside of its own topics or beyond its allowance, and acknowledges it: HiveMQ's
 * permissions alone would disconnect an MQTT 3.1.1 client, which then comes back and does it again. They still guard
 * subscriptions, which are only counted here, and wills.
 *
 * <p>Nothing of a device is retained: it would outlive the session without a limit.
 */
final class PublicationGuard implements ClientInitializer {

    private static final Logger LOG = LoggerFactory.getLogger(PublicationGuard.class);

    private final Allowances allowances;
    private final Counts counts;
    private final Rarely refused = new Rarely(System::nanoTime);
    private final Rarely limited = new Rarely(System::nanoTime);

    PublicationGuard(final Allowances allowances, final Counts counts) {
        this.allowances = allowances;
        this.counts = counts;
    }

    @Override
    public void initialize(final InitializerInput input, final ClientContext context) {
        Device.of(input.getConnectionInformation()).ifPresent(device -> {
            context.addPublishInboundInterceptor(new Guard(device.prefix(), allowances.of(device.id())));
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

    private final class Guard implements PublishInboundInterceptor {

        private final String prefix;
        private final Allowance allowance;

        private Guard(final String prefix, final Allowance allowance) {
            this.prefix = prefix;
            this.allowance = allowance;
        }

        @Override
        public void onInboundPublish(final PublishInboundInput input, final PublishInboundOutput output) {
            final PublishPacket publish = input.getPublishPacket();
            if (!publish.getTopic().startsWith(prefix)) {
                drop(input, output, AckReasonCode.NOT_AUTHORIZED, Counts.Counted.TOPICS_DENIED, refused);
            } else if (!allowance.admits(publish.getPayload().map(payload -> payload.remaining()).orElse(0))) {
                drop(input, output, AckReasonCode.QUOTA_EXCEEDED, Counts.Counted.MESSAGES_LIMITED, limited);
            } else if (publish.getRetain()) {
                output.getPublishPacket().setRetain(false);
            }
        }

        private void drop(
                final PublishInboundInput input,
                final PublishInboundOutput output,
                final AckReasonCode reason,
                final Counts.Counted counted,
                final Rarely rarely) {
            // MQTT 3.1.1 has no word for a refusal: HiveMQ would disconnect.
            final boolean tells = input.getConnectionInformation().getMqttVersion() == MqttVersion.V_5;
            output.preventPublishDelivery(tells ? reason : AckReasonCode.SUCCESS);
            counts.add(counted);
            rarely.count().ifPresent(count -> LOG.warn("publish_refused reason={} clientid={} topic={} count={}",
                    reason, input.getClientInformation().getClientId(), input.getPublishPacket().getTopic(), count));
        }
    }
}
