import java.net.URI;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.network.config.NetworkConfig;
import org.eclipse.leshan.client.californium.LeshanClient;
import org.eclipse.leshan.client.californium.LeshanClientBuilder;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.BaseInstanceEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.servers.ServerIdentity;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/**
 * One LwM2M device made of Eclipse Leshan 1.x, LwM2M 1.0, with a Firmware Update object of our own.
 *
 * <p>It downloads from the Package URI by CoAP Block2 (Californium's own block-wise layer), prints the SHA-256 of what
 * it got, and reboots at Update: the client stops, and a new one registers with the new version. Every step is one
 * line on standard output; the process ends when standard input does.
 *
 * <p>Arguments: server URI, endpoint client name, version, version after the update.
 */
public final class Leshan1Device {
    private static final int SERVER_ID = 123;
    private static final long LIFETIME_SECONDS = 300;
    private static final int MOST_IMAGE_BYTES = 1 << 20;
    private static final ExecutorService BACKGROUND = Executors.newCachedThreadPool(Leshan1Device::daemon);

    private static String server;
    private static String endpoint;
    private static String newVersion;
    private static LeshanClient client;

    public static void main(String[] arguments) throws Exception {
        server = arguments[0];
        endpoint = arguments[1];
        newVersion = arguments[3];
        NetworkConfig.setStandard(largeBodies());
        boot(arguments[2], new Firmware(0));
        while (System.in.read() >= 0) {
            continue;
        }
        client.destroy(true);
    }

    private static synchronized void boot(String version, Firmware firmware) {
        ObjectsInitializer objects = new ObjectsInitializer();
        objects.setInstancesForObject(0, Security.noSec(server, SERVER_ID));
        objects.setInstancesForObject(1, new Server(SERVER_ID, LIFETIME_SECONDS, BindingMode.U, false));
        objects.setInstancesForObject(3, new Device(version));
        objects.setInstancesForObject(4, new Connectivity());
        objects.setInstancesForObject(5, firmware);
        LeshanClientBuilder builder = new LeshanClientBuilder(endpoint);
        builder.setObjects(objects.createAll());
        builder.setCoapConfig(largeBodies());
        client = builder.build();
        client.start();
        say("booted " + version);
    }

    private static NetworkConfig largeBodies() {
        return LeshanClientBuilder.createDefaultNetworkConfig()
                .setInt(NetworkConfig.Keys.MAX_RESOURCE_BODY_SIZE, MOST_IMAGE_BYTES);
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
        public ReadResponse read(ServerIdentity from, int resource) {
            return switch (resource) {
                case 0 -> ReadResponse.success(resource, "Leshan");
                case 1 -> ReadResponse.success(resource, "Leshan1Device");
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
        public ReadResponse read(ServerIdentity from, int resource) {
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
        public ReadResponse read(ServerIdentity from, int resource) {
            return switch (resource) {
                case 1 -> ReadResponse.success(resource, uri);
                case 3 -> ReadResponse.success(resource, state);
                case 5 -> ReadResponse.success(resource, result);
                case 9 -> ReadResponse.success(resource, 0L);
                default -> super.read(from, resource);
            };
        }

        @Override
        public WriteResponse write(ServerIdentity from, int resource, LwM2mResource value) {
            if (resource != 1) {
                return super.write(from, resource, value);
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
        public ExecuteResponse execute(ServerIdentity from, int resource, String arguments) {
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
            fireResourcesChange(3);
        }

        @Override
        public List<Integer> getAvailableResourceIds(ObjectModel model) {
            return List.of(1, 2, 3, 5, 9);
        }
    }
}
