package sluice.broker;

import com.hivemq.extension.sdk.api.async.Async;
import com.hivemq.extension.sdk.api.async.TimeoutFallback;
import com.hivemq.extension.sdk.api.auth.SimpleAuthenticator;
import com.hivemq.extension.sdk.api.auth.parameter.SimpleAuthInput;
import com.hivemq.extension.sdk.api.auth.parameter.SimpleAuthOutput;
import com.hivemq.extension.sdk.api.auth.parameter.TopicPermission;
import com.hivemq.extension.sdk.api.packets.auth.DefaultAuthorizationBehaviour;
import com.hivemq.extension.sdk.api.packets.connect.ConnackReasonCode;
import com.hivemq.extension.sdk.api.packets.connect.ConnectPacket;
import com.hivemq.extension.sdk.api.services.builder.Builders;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks the platform who may log in. No answer within the deadline is a refusal, but one that says "unavailable", so
 * that a device tries again with the credentials it has.
 */
final class DeviceAuthenticator implements SimpleAuthenticator {

    private static final Logger LOG = LoggerFactory.getLogger(DeviceAuthenticator.class);

    private final Hooks hooks;
    private final Settings settings;
    private final Allowances allowances;
    private final Counts counts;
    private final Rarely unanswered = new Rarely(System::nanoTime);
    private final Rarely denied = new Rarely(System::nanoTime);
    private final Rarely limited = new Rarely(System::nanoTime);

    DeviceAuthenticator(final Hooks hooks, final Settings settings, final Allowances allowances, final Counts counts) {
        this.hooks = hooks;
        this.settings = settings;
        this.allowances = allowances;
        this.counts = counts;
    }

    @Override
    public void onConnect(final SimpleAuthInput input, final SimpleAuthOutput output) {
        final ConnectPacket connect = input.getConnectPacket();
        final Optional<String> username = connect.getUserName();
        final Optional<String> password = connect.getPassword().flatMap(DeviceAuthenticator::text);
        if (username.isEmpty() || password.isEmpty()) {
            refuse(output, ConnackReasonCode.BAD_USER_NAME_OR_PASSWORD);
            return;
        }
        if (!allowances.admitsLogin(username.get())) {
            counts.add(Counts.Counted.LOGINS_LIMITED);
            limited.count().ifPresent(count ->
                    LOG.warn("login_limited clientid={} count={}", connect.getClientId(), count));
            refuse(output, ConnackReasonCode.SERVER_UNAVAILABLE);
            return;
        }
        final String peer = input.getConnectionInformation().getInetAddress().map(a -> a.getHostAddress()).orElse("");
        final var login = new Hooks.Login(connect.getClientId(), username.get(), password.get(), peer);
        final Async<SimpleAuthOutput> answer = output.async(
                settings.loginDeadline(), TimeoutFallback.FAILURE, ConnackReasonCode.SERVER_UNAVAILABLE);
        hooks.authenticate(login).whenComplete((verdict, error) -> {
            try {
                decide(input, output, login, verdict, error);
            } finally {
                answer.resume();
            }
        });
    }

    private void decide(
            final SimpleAuthInput input,
            final SimpleAuthOutput output,
            final Hooks.Login login,
            final Hooks.Verdict verdict,
            final Throwable error) {
        if (error != null) {
            counts.add(Counts.Counted.LOGINS_UNANSWERED);
            unanswered.count().ifPresent(count ->
                    LOG.warn("login_unanswered clientid={} count={} error={}", login.clientid(), count, error.toString()));
            refuse(output, ConnackReasonCode.SERVER_UNAVAILABLE);
        } else if (!verdict.allows() || !(verdict.superuser() || Device.isId(login.username()))) {
            denied.count().ifPresent(count -> LOG.info("login_denied clientid={} count={}", login.clientid(), count));
            refuse(output, ConnackReasonCode.BAD_USER_NAME_OR_PASSWORD);
        } else {
            if (!verdict.superuser()) {
                admit(new Device(login.username()), input, output);
            }
            output.authenticateSuccessfully();
        }
    }

    private void admit(final Device device, final SimpleAuthInput input, final SimpleAuthOutput output) {
        allowances.loggedIn(device.id());
        device.rememberOn(input.getConnectionInformation());
        if (input.getConnectPacket().getWillPublish().filter(will -> !will.getTopic().startsWith(device.prefix())).isPresent()) {
            counts.add(Counts.Counted.TOPICS_DENIED); // HiveMQ refuses it by the permissions below
        }
        output.getDefaultPermissions().add(Builders.topicPermission()
                .topicFilter(device.prefix() + "#")
                .type(TopicPermission.PermissionType.ALLOW)
                .sharedSubscription(TopicPermission.SharedSubscription.NOT_SHARED)
                .build());
        output.getDefaultPermissions().setDefaultBehaviour(DefaultAuthorizationBehaviour.DENY);
        output.getClientSettings().setClientQueueSizeMaximum(settings.deviceQueue());
    }

    private static void refuse(final SimpleAuthOutput output, final ConnackReasonCode reason) {
        output.failAuthentication(reason);
    }

    private static Optional<String> text(final ByteBuffer bytes) {
        try {
            return Optional.of(StandardCharsets.UTF_8.newDecoder().decode(bytes.duplicate()).toString());
        } catch (final CharacterCodingException error) {
            return Optional.empty();
        }
    }
}
