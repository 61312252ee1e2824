package sluice.broker;

import com.hivemq.extension.sdk.api.ExtensionMain;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartOutput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopOutput;
import com.hivemq.extension.sdk.api.services.Services;
import java.util.UUID;

/**
 * Wires the contract between broker and platform: who may log in, who may say what where, who listens without having
 * asked to, and who is connected.
 */
final class BrokerExtension implements ExtensionMain {

    private final Counts counts = new Counts();
    private final Allowances allowances;
    private final Hooks hooks;
    private final PresencePoster poster;
    private final Sessions sessions;
    private final Settings settings;
    private volatile boolean started;

    BrokerExtension(final Settings settings) {
        this.settings = settings;
        allowances = new Allowances(settings.limits(), System::nanoTime);
        hooks = new Hooks(settings);
        poster = new PresencePoster(hooks, settings, UUID.randomUUID().toString(), counts);
        sessions = new Sessions(poster, System::currentTimeMillis);
        poster.listFrom(sessions::connected);
    }

    boolean isStarted() {
        return started;
    }

    @Override
    public void extensionStart(final ExtensionStartInput input, final ExtensionStartOutput output) {
        final DeviceAuthenticator authenticator = new DeviceAuthenticator(hooks, settings, allowances, counts);
        final DeviceLifecycle lifecycle = new DeviceLifecycle(sessions, counts);
        final NoRetainedWills noRetainedWills = new NoRetainedWills();
        Services.securityRegistry().setAuthenticatorProvider(given -> authenticator);
        Services.initializerRegistry().setClientInitializer(new PublicationGuard(allowances, counts));
        Services.interceptorRegistry().setConnectInboundInterceptorProvider(given -> noRetainedWills);
        Services.interceptorRegistry().setConnackOutboundInterceptorProvider(given -> lifecycle);
        Services.eventRegistry().setClientLifecycleEventListener(given -> lifecycle);
        poster.start();
        started = true;
    }

    @Override
    public void extensionStop(final ExtensionStopInput input, final ExtensionStopOutput output) {
        poster.stop();
    }
}
