package sluice.broker;

import com.hivemq.extension.sdk.api.client.parameter.ConnectionInformation;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A device that logged in, as its connection remembers it. Connections of the platform itself have none.
 *
 * @param id Its device id, which is its MQTT user name.
 */
record Device(String id) {

    private static final String ATTRIBUTE = "sluice.device";
    /** An id stands in topic filters: a wildcard or a further level in it would open other devices' topics. */
    private static final Pattern ID = Pattern.compile("[^/+#\\p{Cntrl}]{1,256}");
    private static final List<String> DOWN = List.of("events/down", "messages/down", "commands/#");

    static boolean isId(final String text) {
        return ID.matcher(text).matches();
    }

    static Optional<Device> of(final ConnectionInformation connection) {
        return connection.getConnectionAttributeStore().getAsString(ATTRIBUTE).map(Device::new);
    }

    void rememberOn(final ConnectionInformation connection) {
        connection.getConnectionAttributeStore().putAsString(ATTRIBUTE, id);
    }

    /** Everything below it is the device's own. */
    String prefix() {
        return "$oc/devices/" + id + "/";
    }

    /** What it gets without subscribing, as devices in the field expect. */
    List<String> downTopics() {
        return DOWN.stream().map(topic -> prefix() + "sys/" + topic).toList();
    }
}
