"""Why executions end as they do: codes with texts in English and Chinese (D14).

The stored reason is the code with its parameters; texts are rendered when shown. English texts are those that
Huawei's platform shows, where it has one.
"""

from sluice_common.open_enum import OpenStrEnum


class ReasonCode(OpenStrEnum):
    """All codes. Platform reasons first, then the device's `/5/0/5` results, then what only MQTT devices report."""

    SAME_VERSION = "same_version"
    TASK_CONFLICT = "task_conflict"
    CAPABILITY_MISSING = "capability_missing"
    UNSUPPORTED_SOURCE_VERSION = "unsupported_source_version"
    ONLINE_TIMEOUT = "online_timeout"
    VERSION_TIMEOUT = "version_timeout"
    VERSION_UNREADABLE = "version_unreadable"
    CELL_ID_UNAVAILABLE = "cell_id_unavailable"
    OBSERVE_FAILED = "observe_failed"
    PACKAGE_URI_REFUSED = "package_uri_refused"
    DOWNLOAD_START_TIMEOUT = "download_start_timeout"
    DOWNLOAD_TIMEOUT = "download_timeout"
    UPDATE_REFUSED = "update_refused"
    UPDATE_START_TIMEOUT = "update_start_timeout"
    UPDATE_RESULT_TIMEOUT = "update_result_timeout"
    VERSION_CHECK_TIMEOUT = "version_check_timeout"
    VERSION_MISMATCH = "version_mismatch"
    TASK_ENDED = "task_ended"
    STOPPED = "stopped"
    KEY_REVOKED = "key_revoked"
    KEY_DELETED = "key_deleted"
    PACKAGE_DELETED = "package_deleted"
    RETRIED_TASK_DELETED = "retried_task_deleted"
    VERSION_BELOW_MINIMUM = "version_below_minimum"
    VERSION_NOT_COMPARABLE = "version_not_comparable"
    MANIFEST_V1_NOT_ALLOWED = "manifest_v1_not_allowed"
    DEVICE_OFFLINE = "device_offline"
    NOT_ENOUGH_STORAGE = "not_enough_storage"
    OUT_OF_MEMORY = "out_of_memory"
    CONNECTION_LOST = "connection_lost"
    INTEGRITY_CHECK_FAILED = "integrity_check_failed"
    UNSUPPORTED_PACKAGE_TYPE = "unsupported_package_type"
    INVALID_URI = "invalid_uri"
    FIRMWARE_UPDATE_FAILED = "firmware_update_failed"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    UPDATE_CANCELLED = "update_cancelled"
    UPDATE_DEFERRED = "update_deferred"
    UNKNOWN_UPDATE_RESULT = "unknown_update_result"
    CONTRADICTORY_RESULT = "contradictory_result"
    DEVICE_IN_USE = "device_in_use"
    POOR_SIGNAL = "poor_signal"
    ALREADY_LATEST = "already_latest"
    LOW_BATTERY = "low_battery"
    DEVICE_DOWNLOAD_TIMEOUT = "device_download_timeout"
    DEVICE_INTERNAL_ERROR = "device_internal_error"
    DEVICE_REPORTED_FAILURE = "device_reported_failure"


UPDATE_RESULTS: dict[int, ReasonCode] = {
    2: ReasonCode.NOT_ENOUGH_STORAGE,
    3: ReasonCode.OUT_OF_MEMORY,
    4: ReasonCode.CONNECTION_LOST,
    5: ReasonCode.INTEGRITY_CHECK_FAILED,
    6: ReasonCode.UNSUPPORTED_PACKAGE_TYPE,
    7: ReasonCode.INVALID_URI,
    8: ReasonCode.FIRMWARE_UPDATE_FAILED,
    9: ReasonCode.UNSUPPORTED_PROTOCOL,
    10: ReasonCode.UPDATE_CANCELLED,
    11: ReasonCode.UPDATE_DEFERRED,
}
"""`/5/0/5` Update Result → reason (OMA TS 1.1.1 §E.6; 10 and 11: object 5, version 1.1).

0 and 1 are no failures; any other is an `UNKNOWN_UPDATE_RESULT`. The reasons have the parameter `result`, the number.
"""

MQTT_RESULTS: dict[int, ReasonCode] = {
    1: ReasonCode.DEVICE_IN_USE,
    2: ReasonCode.POOR_SIGNAL,
    3: ReasonCode.ALREADY_LATEST,
    4: ReasonCode.LOW_BATTERY,
    5: ReasonCode.NOT_ENOUGH_STORAGE,
    6: ReasonCode.DEVICE_DOWNLOAD_TIMEOUT,
    7: ReasonCode.INTEGRITY_CHECK_FAILED,
    8: ReasonCode.UNSUPPORTED_PACKAGE_TYPE,
    9: ReasonCode.OUT_OF_MEMORY,
    10: ReasonCode.FIRMWARE_UPDATE_FAILED,
    255: ReasonCode.DEVICE_INTERNAL_ERROR,
}
"""`result_code` of `upgrade_progress_report` → reason (IoTDA, "Reporting the upgrade status"); 0 is no failure.

Any other code is a `DEVICE_REPORTED_FAILURE`.
"""

_TEXTS: dict[ReasonCode, tuple[str, str]] = {
    ReasonCode.SAME_VERSION: (
        "The current version is the same as the target version",
        "当前版本与目标版本相同",
    ),
    ReasonCode.TASK_CONFLICT: ("Task Conflict", "任务冲突:设备正在执行其他任务"),
    ReasonCode.CAPABILITY_MISSING: (
        "The product model does not support firmware upgrade",
        "产品模型不支持固件升级",
    ),
    ReasonCode.UNSUPPORTED_SOURCE_VERSION: (
        "The current version {current} is not a supported source version of {target}",
        "当前版本{current}不在目标版本{target}支持的源版本列表中",
    ),
    ReasonCode.ONLINE_TIMEOUT: ("Waiting for the device online timeout", "等待设备上线超时"),
    ReasonCode.VERSION_TIMEOUT: (
        "Waiting for report device firmware version timeout",
        "等待设备上报固件版本超时",
    ),
    ReasonCode.VERSION_UNREADABLE: (
        "The device refused to report its firmware version ({code})",
        "设备拒绝上报固件版本({code})",
    ),
    ReasonCode.CELL_ID_UNAVAILABLE: ("Waiting for report cellId timeout", "等待设备上报小区ID超时"),
    ReasonCode.OBSERVE_FAILED: (
        "The device refused to be observed ({code})",
        "设备拒绝订阅固件升级状态({code})",
    ),
    ReasonCode.PACKAGE_URI_REFUSED: (
        "The device refused the package URI ({code})",
        "设备拒绝固件包下载地址({code})",
    ),
    ReasonCode.DOWNLOAD_START_TIMEOUT: (
        "Waiting for device start download package timeout",
        "等待设备开始下载固件包超时",
    ),
    ReasonCode.DOWNLOAD_TIMEOUT: (
        "Waiting for device downloaded package timeout",
        "等待设备下载固件包超时",
    ),
    ReasonCode.UPDATE_REFUSED: (
        "The device refused to update ({code})",
        "设备拒绝执行升级({code})",
    ),
    ReasonCode.UPDATE_START_TIMEOUT: (
        "Waiting for device start to update timeout",
        "等待设备开始升级超时",
    ),
    ReasonCode.UPDATE_RESULT_TIMEOUT: (
        "Wait for the device to report upgrade result timeout",
        "等待设备上报升级结果超时",
    ),
    ReasonCode.VERSION_CHECK_TIMEOUT: (
        "Updating timeout and query device version for check timeout",
        "升级超时且查询设备版本校验超时",
    ),
    ReasonCode.VERSION_MISMATCH: (
        "The device reports version {current} after the update, not {target}",
        "升级后设备上报版本{current},与目标版本{target}不一致",
    ),
    ReasonCode.TASK_ENDED: ("The task's end time has passed", "任务结束时间已到"),
    ReasonCode.STOPPED: ("Stopped by the user", "用户手动停止"),
    ReasonCode.KEY_REVOKED: (
        "The public key that verified the package was revoked",
        "验证该固件包的公钥已被吊销",
    ),
    ReasonCode.KEY_DELETED: (
        "The public key that verified the package was deleted",
        "验证该固件包的公钥已被删除",
    ),
    ReasonCode.PACKAGE_DELETED: ("The package was deleted", "固件包已被删除"),
    ReasonCode.RETRIED_TASK_DELETED: ("The task to be retried was deleted", "待重试的任务已被删除"),
    ReasonCode.VERSION_BELOW_MINIMUM: (
        "Version {version} lies below {minimum}, the least that the product allows ({ordering})",
        "版本{version}低于产品允许的最低版本{minimum}({ordering})",
    ),
    ReasonCode.VERSION_NOT_COMPARABLE: (
        "Version {version} cannot be compared with {minimum}, the least that the product allows ({ordering})",
        "版本{version}无法与产品允许的最低版本{minimum}比较({ordering})",
    ),
    ReasonCode.MANIFEST_V1_NOT_ALLOWED: (
        "The package's manifest (v1) does not sign its version, but the product has a least version, {minimum}",
        "固件包的签名清单(v1)未对版本签名,而产品设置了最低版本{minimum}",
    ),
    ReasonCode.DEVICE_OFFLINE: ("Device Abnormal is not online", "设备异常不在线"),
    ReasonCode.NOT_ENOUGH_STORAGE: (
        "Not enough storage for the new firmware package",
        "设备存储空间不足",
    ),
    ReasonCode.OUT_OF_MEMORY: ("Out of memory during downloading process", "下载过程中内存不足"),
    ReasonCode.CONNECTION_LOST: (
        "Connection lost during downloading process",
        "下载过程中连接断开",
    ),
    ReasonCode.INTEGRITY_CHECK_FAILED: (
        "Integrity check failure for new downloaded package",
        "新下载的固件包完整性校验失败",
    ),
    ReasonCode.UNSUPPORTED_PACKAGE_TYPE: ("Unsupported package type", "不支持的固件包类型"),
    ReasonCode.INVALID_URI: ("Invalid URI", "无效的URI"),
    ReasonCode.FIRMWARE_UPDATE_FAILED: ("Firmware update failed", "固件升级失败"),
    ReasonCode.UNSUPPORTED_PROTOCOL: ("Unsupported protocol", "不支持的下载协议"),
    ReasonCode.UPDATE_CANCELLED: ("The update was cancelled at the device ({result})", "升级在设备侧被取消({result})"),
    ReasonCode.UPDATE_DEFERRED: (
        "The user of the device has deferred the update ({result})",
        "设备用户推迟了升级({result})",
    ),
    ReasonCode.UNKNOWN_UPDATE_RESULT: (
        "The device reports the unknown Update Result {result}",
        "设备上报了未知的升级结果{result}",
    ),
    ReasonCode.CONTRADICTORY_RESULT: (
        "The device runs the target version but reports the Update Result {result} ({name})",
        "设备已运行目标版本,但上报的升级结果为{result}({name})",
    ),
    ReasonCode.DEVICE_IN_USE: ("The device is in use", "设备使用中"),
    ReasonCode.POOR_SIGNAL: ("The device's signal is poor", "设备信号质量差"),
    ReasonCode.ALREADY_LATEST: ("The device says that it runs the latest version", "设备上报已经是最新版本"),
    ReasonCode.LOW_BATTERY: ("The device's battery is low", "设备电量不足"),
    ReasonCode.DEVICE_DOWNLOAD_TIMEOUT: ("The download timed out at the device", "设备下载固件包超时"),
    ReasonCode.DEVICE_INTERNAL_ERROR: ("Internal error of the device", "设备内部异常"),
    ReasonCode.DEVICE_REPORTED_FAILURE: (
        "The device reports a failed upgrade ({code})",
        "设备上报升级失败({code})",
    ),
}


_UNKNOWN = ("A reason of a newer version: {code}", "新版本的原因:{code}")
_NOT_UNDERSTOOD = (
    "The device's answer {code} to {path} was not understood: {error}",
    "无法理解设备对{path}的应答{code}:{error}",
)
"""For a reason with the parameter `error`: the device answered, so that it is none of refusing."""


def reason_text(code: ReasonCode, params: dict[str, str], language: str = "en") -> str:
    """Return the text of a reason in `en` or `zh`; parameters that are missing show as `?`."""
    if not code.is_known:
        texts, params = _UNKNOWN, {"code": code.value}
    else:
        texts = _NOT_UNDERSTOOD if "error" in params else _TEXTS[code]
    template = texts[1 if language.startswith("zh") else 0]
    return template.format_map(_Params(params))


class _Params(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
