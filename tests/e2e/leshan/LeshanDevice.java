import java.net.URI;
import java.security.MessageDigest;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.BaseInstanceEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.core.response.WriteResponse;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;

/**
 * One LwM2M device made of Eclipse Leshan's client library with a Firmware Update object of our own.
 *
 * <p>It downloads from the Package URI by CoAP Block2 (Californium's own block-wise layer), prints the SHA-256 of what
 * it got, and reboots at Update: the client stops, and a new one registers with the new version. Every step is one
 * line on standard output; the process ends when standard input does.
 *
 * <p>Arguments: server URI, endpoint client name, version, version after the update, {@code queue} for queue mode: it
 * registers with it and speaks by itself every few seconds.
 */
public final class LeshanDevice {
    private static final int SERVER_ID = 123;
    private static final long LIFETIME_SECONDS = 300;
    private static final int QUEUE_MODE_PERIOD_MS = 5_000;
    private static final int MOST_IMAGE_BYTES = 1 << 20;
    private static final ExecutorService BACKGROUND = Executors.newCachedThreadPool(LeshanDevice::daemon);

    private static String server;
    private static String endpoint;
    private static String newVersion;
    private static boolean queueMode;
    private static LeshanClient client;

    public static void main(String[] arguments) throws Exception {
        server = arguments[0];
        endpoint = arguments[1];
        newVersion = arguments[3];
        queueMode = arguments.length > 4 && arguments[4].equals("queue");
        CoapConfig.register();
        Configuration.getStandard().set(CoapConfig.MAX_RESOURCE_BODY_SIZE, MOST_IMAGE_BYTES);
        boot(arguments[2], new Firmware(0));
        while (System.in.read() >= 0) {
            continue;
        }
        client.destroy(true);
    }

    private static synchronized void boot(String version, Firmware firmware) {
        ObjectsInitializer objects = new ObjectsInitializer();
        objects.setInstancesForObject(0, Security.noSec(server, SERVER_ID));
        objects.setInstancesForObject(
                1, new Server(SERVER_ID, LIFETIME_SECONDS, EnumSet.of(BindingMode.U), false, BindingMode.U));
        objects.setInstancesForObject(3, new Device(version));
        objects.setInstancesForObject(4, new Connectivity());
        objects.setInstancesForObject(5, firmware);
        LeshanClientBuilder builder = new LeshanClientBuilder(endpoint);
        builder.setObjects(objects.createAll());
        builder.setEndpointsProviders(new CaliforniumClientEndpointsProvider());
        if (queueMode) {
            DefaultRegistrationEngineFactory engine = new DefaultRegistrationEngineFactory();
            engine.setQueueMode(true);
            engine.setCommunicationPeriod(QUEUE_MODE_PERIOD_MS);
            builder.setRegistrationEngineFactory(engine);
        }
        client = builder.build();
        client.start();
        say("booted " + version);
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** Device (object 3): who it is and which firmware runs. */
    public static final class Device extends BaseInstanceEnabler {
        private final String version;

        /** For the library, which wants a default constructor of every object. */
        public Device() {
            this("unknown");
        }

        Device(String version) {
            this.version = version;
        }

        @Override
        public ReadResponse read(LwM2mServer from, int resource) {
            return switch (resource) {
                case 0 -> ReadResponse.success(resource, "Leshan");
                case 1 -> ReadResponse.success(resource, "LeshanDevice");
                case 3 -> ReadResponse.success(resource, version);
                case 16 -> ReadResponse.success(resource, "U");
                default -> super.read(from, resource);
            };
        }

        @Override
        public List<Integer> getAvailableResourceIds(ObjectModel model) {
            return List.of(0, 1, 3, 16);
        }
    }

    /** Connectivity Monitoring (object 4): good coverage in cell 4711. */
    public static final class Connectivity extends BaseInstanceEnabler {
        @Override
        public ReadResponse read(LwM2mServer from, int resource) {
            return switch (resource) {
                case 0 -> ReadResponse.success(resource, 7L);
                case 2 -> ReadResponse.success(resource, -90L);
                case 8 -> ReadResponse.success(resource, 4711L);
                case 11 -> ReadResponse.success(resource, 12L);
                default -> super.read(from, resource);
            };
        }

        @Override
        public List<Integer> getAvailableResourceIds(ObjectModel model) {
            return List.of(0, 2, 8, 11);
        }
    }

    /** Firmware Update (object 5), pull only (OMA TS 1.1.1 §E.6). */
    public static final class Firmware extends BaseInstanceEnabler {
        private volatile long state;
        private volatile long result;
        private volatile String uri = "";

        /** For the library, which wants a default constructor of every object. */
        public Firmware() {
            this(0);
        }

        Firmware(long result) {
            this.result = result;
        }

        @Override
        public ReadResponse read(LwM2mServer from, int resource) {
            return switch (resource) {
                case 1 -> ReadResponse.success(resource, uri);
                case 3 -> ReadResponse.success(resource, state);
                case 5 -> ReadResponse.success(resource, result);
                case 9 -> ReadResponse.success(resource, 0L);
                default -> super.read(from, resource);
            };
        }

        @Override
        public WriteResponse write(LwM2mServer from, boolean replace, int resource, LwM2mResource value) {
            if (resource != 1) {
                return super.write(from, replace, resource, value);
            }
            uri = (String) value.getValue();
            if (uri.isEmpty()) {
                enter(0);
            } else {
                BACKGROUND.execute(this::download);
            }
            return WriteResponse.success();
        }

        @Override
        public ExecuteResponse execute(LwM2mServer from, int resource, Arguments arguments) {
            if (resource != 2 || state != 2) {
                return ExecuteResponse.methodNotAllowed();
            }
            say("execute");
            BACKGROUND.execute(this::update);
            return ExecuteResponse.success();
        }

        private void download() {
            enter(1);
            try {
                CoapClient coap = new CoapClient(URI.create(uri));
                coap.setTimeout(60_000L);
                CoapResponse response = coap.get();
                byte[] image = response.getPayload();
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(image);
                say("downloaded " + image.length + " " + HexFormat.of().formatHex(digest));
                enter(2);
            } catch (Exception error) {
                say("failed " + error);
                result = 4;
                enter(0);
            }
        }

        private void update() {
            enter(3);
            try {
                Thread.sleep(1_000);
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
            client.destroy(false);
            boot(newVersion, new Firmware(1));
        }

        private void enter(long next) {
            state = next;
            say("state " + next);
            fireResourceChange(3);
        }

        @Override
        public List<Integer> getAvailableResourceIds(ObjectModel model) {
            return List.of(1, 2, 3, 5, 9);
        }
    }
}
