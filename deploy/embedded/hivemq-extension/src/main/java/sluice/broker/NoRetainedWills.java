package sluice.broker;

import com.hivemq.extension.sdk.api.interceptor.connect.ConnectInboundInterceptor;
import com.hivemq.extension.sdk.api.interceptor.connect.parameter.ConnectInboundInput;
import com.hivemq.extension.sdk.api.interceptor.connect.parameter.ConnectInboundOutput;

/** Lets no will be retained: HiveMQ publishes wills past the interceptors of publications. */
final class NoRetainedWills implements ConnectInboundInterceptor {

    @Override
    public void onConnect(final ConnectInboundInput input, final ConnectInboundOutput output) {
        output.getConnectPacket().getModifiableWillPublish().ifPresent(will -> will.setRetain(false));
    }
}
