"""What the window says, in English and Chinese; reasons keep their codes in both.

English reasons stand with their errors; here are their Chinese forms, with the same placeholders.
"""

import locale
import os
from collections.abc import Mapping
from typing import Final, Literal

from sluice_signing.domain.errors import SigningError

Language = Literal["en", "zh"]

WINDOW: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Offline signature tool", "离线签名工具"),
    "generate_area": ("Generate a key pair", "生成数字签名公私密钥对"),
    "algorithm": ("Signature algorithm", "签名算法"),
    "new_passphrase": ("Private key passphrase", "私钥加密口令"),
    "repeat": ("Repeat it", "确认口令"),
    "folder": ("Save in", "保存目录"),
    "generate": ("Generate key pair", "生成公私密钥"),
    "sign_area": ("Sign a package", "软件包数字签名"),
    "private_key": ("Private key file", "私钥文件"),
    "passphrase": ("Private key passphrase", "私钥加密口令"),
    "open_key": ("OK", "确定"),
    "package": ("Package (.zip)", "软件包（.zip）"),
    "manifest": ("Signed manifest", "签名清单版本"),
    "manufacturer": ("Manufacturer", "厂商名称"),
    "models": ("Models (a; b)", "设备型号（a; b）"),
    "version": ("Version", "软件版本"),
    "sequence": ("Sequence number, if any", "序列号（可选）"),
    "sign": ("Sign", "进行数字签名"),
    "verify_area": ("Verify a package", "软件包签名验证"),
    "public_key": ("Public key file", "公钥文件"),
    "signed_package": ("Signed package (.zip)", "已签名软件包（.zip）"),
    "verify": ("Verify", "进行软件包验签"),
    "choose": ("Choose…", "选择…"),
    "import": ("Import…", "导入…"),
    "hint": (
        "At least 6 characters of two kinds (A-Z, a-z, 0-9, others). 12 or more are better.",
        "至少6个字符，且至少包含大写字母、小写字母、数字、特殊字符中的两种。建议12个字符以上。",
    ),
    "generated": ("Key pair saved.", "公私密钥已保存。"),
    "key_opened": ("The private key is open.", "私钥导入成功。"),
    "signed": ("The package is signed.", "数字签名成功！"),
    "verified": ("The signature is valid.", "验证签名成功!"),
    "not_verified": ("Verification failed!", "验签异常!"),
    "failed": ("That did not work.", "操作失败。"),
    "missing": ("Fill in: {field}", "请填写：{field}"),
    "unexpected": ("This should not happen; please report it: {detail}", "意外错误，请反馈：{detail}"),
    "verified_detail": (
        "Image: {image_name} ({image_size} bytes)\nSHA-256: {image_sha256}\nAlgorithm: {algorithm}\nKey: {key_id}",
        "固件：{image_name}（{image_size} 字节）\nSHA-256：{image_sha256}\n算法：{algorithm}\n密钥：{key_id}",
    ),
    "release_detail": (
        "\nManufacturer: {maker}\nModels: {models}\nVersion: {version}",
        "\n厂商：{maker}\n型号：{models}\n版本：{version}",
    ),
}
"""Every text of the window: English, Chinese. The two messages of R047 are the guide's own, sign by sign."""

REASONS_ZH: Final[Mapping[str, str]] = {
    "not_a_zip": "该文件不是zip压缩包，请先将.bin镜像压缩为.zip",
    "broken_zip": "zip压缩包已损坏：{detail}",
    "unsupported_zip": "zip压缩包使用了不支持的特性：{feature}",
    "extra_data": "zip压缩包含有不属于任何条目的数据：{detail}",
    "hidden_data": "条目{name!r}的压缩内容之后隐藏有数据",
    "comment": "zip压缩包带有{size}字节的注释",
    "concatenated_zip": "该文件由两个zip压缩包拼接而成",
    "overlapping_entries": "条目{name!r}与前一个条目重叠",
    "too_many_entries": "zip压缩包有{entries}个条目，最多允许{limit}个",
    "too_big": "{part}的大小为{size}字节，最多允许{limit}字节",
    "zip_bomb": "条目{name!r}由{compressed_size}字节解压为{size}字节以上，疑似zip炸弹",
    "entry_comment": "条目{name!r}带有{size}字节的注释",
    "extra_field": "条目{name!r}带有不允许的扩展字段：{rule}",
    "bad_name": "条目名{name!r}不合法：{rule}",
    "name_encoding": "条目名{name!r}不是UTF-8编码，或没有UTF-8标志",
    "path_traversal": "条目名{name!r}指向压缩包之外",
    "duplicate_name": "条目名{name!r}重复",
    "ambiguous_name": "条目名{name!r}与另一个条目名仅大小写或Unicode形式不同",
    "encrypted_entry": "条目{name!r}已加密",
    "special_file": "条目{name!r}是符号链接或其他特殊文件",
    "file_and_folder": "条目{name!r}既可读作文件，又可读作文件夹",
    "nested_archive": "条目{name!r}本身是zip压缩包",
    "no_bin": "软件包中没有.bin镜像",
    "several_bin": "软件包中有多个.bin镜像：{names}",
    "empty_image": "镜像{name!r}为空",
    "unsigned": "软件包没有签名，请先签名并使用生成的xxx_signed.zip",
    "already_signed": "软件包已经签名，请对原软件包签名",
    "bad_manifest": "签名清单格式错误：{detail}",
    "unknown_key": "软件包由密钥{key_id!r}签名，与所给公钥不符",
    "wrong_signature": "密钥{key_id}的签名与清单不符，软件包在签名后被修改或损坏",
    "malleable_signature": "密钥{key_id}的签名不是唯一允许的形式",
    "wrong_algorithm": "清单中的算法为{claimed!r}，而密钥的算法为{expected}",
    "entry_added": "条目{name!r}是签名之后加入的",
    "entry_missing": "已签名的条目{name!r}不存在",
    "entry_changed": "条目{name!r}与签名时不同",
    "bad_release": "厂商、型号、版本或序列号不合法：{detail}",
    "no_release": "缺少要签名的软件包信息：{missing}",
    "unknown_algorithm": "没有签名算法{name!r}",
    "bad_key": "密钥文件不可用（{kind}）：{detail}",
    "wrong_passphrase": "私钥加密口令错误",
    "weak_passphrase": "口令至少需要{length}个字符，且至少包含{classes}种字符（大写字母、小写字母、数字、其他）",
    "no_passphrase": "需要私钥加密口令",
    "different_passphrases": "两次输入的口令不一致",
    "key_exists": "{path}已存在，不会被覆盖，请选择其他目录",
    "no_window": "无法打开窗口：{detail}",
    "upload_missing": "上传的文件不存在或不完整",
    "time_limit": "验签超过{seconds:g}秒",
    "memory_limit": "验签占用内存超过限制",
    "verifier_failed": "无法验签：{detail}",
}


def text(key: str, language: Language, **parameters: object) -> str:
    """Return a text of the window."""
    english, chinese = WINDOW[key]
    return (chinese if language == "zh" else english).format(**parameters)


def reason(error: SigningError, language: Language) -> str:
    """Return why something was refused, with the reason's code."""
    if language == "zh":
        return f"{REASONS_ZH[error.code].format(**error.parameters)}。[{error.code}]"
    return f"{error.diagnostics()} [{error.code}]"


def system_language() -> Language:
    """Return the language of the user's environment: Chinese, or English for all others."""
    name = next((os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), None)
    name = name or locale.getlocale()[0] or ""
    return "zh" if name.casefold().startswith(("zh", "chinese")) else "en"
