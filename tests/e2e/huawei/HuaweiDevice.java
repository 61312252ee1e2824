import com.huaweicloud.sdk.iot.device.IoTDevice;
import com.huaweicloud.sdk.iot.device.client.ClientConf;
import com.huaweicloud.sdk.iot.device.ota.OTAListener;
import com.huaweicloud.sdk.iot.device.ota.OTAPackage;
import com.huaweicloud.sdk.iot.device.ota.OTAPackageV2;
import com.huaweicloud.sdk.iot.device.ota.OTAQueryInfo;
import com.huaweicloud.sdk.iot.device.ota.OTAService;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;

/**
 * One MQTT device made of Huawei's Java device SDK; only the download is our own, as the SDK has none.
 *
 * <p>It reports its version when asked, downloads with the token of the offer, checks size and digest, reboots (the
 * client is closed, a new one logs in with the new version), and reports the result. Every step is one line on standard
 * output; the process ends when standard input does.
 *
 * <p>Arguments: broker URI (tcp://… or ssl://…), device id, secret, version, and for ssl:// a key store (JKS, without
 * password) of trusted certificates.
 */
public final class HuaweiDevice {
    private static final Duration DEADLINE = Duration.ofSeconds(60);

    private static ClientConf account;
    private static IoTDevice device;

    public static void main(String[] arguments) throws Exception {
        account = new ClientConf();
        account.setServerUri(arguments[0]);
        account.setDeviceId(arguments[1]);
        account.setSecret(arguments[2]);
        account.setCheckStamp(1);
        if (arguments.length > 4) {
            account.setFile(new File(arguments[4]));
        }
        boot(arguments[3], false);
        while (System.in.read() >= 0) {
            continue;
        }
        System.exit(0);
    }

    private static void boot(String version, boolean upgraded) {
        device = new IoTDevice(account);
        OTAService ota = device.getOtaService();
        ota.setOtaListener(new Firmware(ota, version));
        if (device.init() != 0) {
            say("refused");
            System.exit(1);
        }
        say("booted " + version);
        if (upgraded) {
            ota.reportOtaStatus(OTAService.OTA_CODE_SUCCESS, 100, version, "upgraded");
        }
    }

    /** What the SDK asks the firmware for. */
    private record Firmware(OTAService ota, String version) implements OTAListener {
        @Override
        public void onQueryVersion(OTAQueryInfo query) {
            say("asked for its version");
            ota.reportVersion(version);
        }

        @Override
        public void onNewPackage(OTAPackage offer) {
            say("offered " + offer.getVersion());
            new Thread(() -> upgrade(offer)).start();
        }

        @Override
        public void onNewPackageV2(OTAPackageV2 offer) {
            say("offered without a token");
        }

        private void upgrade(OTAPackage offer) {
            try {
                byte[] image = download(offer);
                String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(image));
                say("downloaded " + image.length + " " + digest);
                if (image.length != offer.getFileSize() || !digest.equalsIgnoreCase(offer.getSign())) {
                    ota.reportOtaStatus(OTAService.OTA_CODE_CHECK_FAIL, 0, version, "digest");
                    return;
                }
                ota.reportOtaStatus(OTAService.OTA_CODE_SUCCESS, 50, version, "downloaded");
                device.getClient().close();
                boot(offer.getVersion(), true);
            } catch (Exception error) {
                say("failed " + error);
                ota.reportOtaStatus(OTAService.OTA_CODE_DOWNLOAD_TIMEOUT, 0, version, error.toString());
            }
        }
    }

    private static byte[] download(OTAPackage offer) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(offer.getUrl()))
                .header("Content-Type", "application/json")
                .header("Authorization", "Bearer " + offer.getToken())
                .timeout(DEADLINE)
                .build();
        HttpClient client = HttpClient.newBuilder().connectTimeout(DEADLINE).build();
        HttpResponse<byte[]> response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
        if (response.statusCode() != 200) {
            throw new IllegalStateException("HTTP " + response.statusCode());
        }
        return response.body();
    }

    private static void say(String step) {
        System.out.println(step);
        System.out.flush();
    }
}
