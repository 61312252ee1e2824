"""Every reason for which a package or a key is refused.

A reason has a stable ``code`` for programs and for translations, the ``parameters`` that it is
about, an English text, and an advice on what to do next. Nothing of a passphrase or a private key
ever stands in either. What goes wrong in the surroundings (disk, network) is not modelled here.
"""

from typing import ClassVar


class SigningError(Exception):
    """A refusal that a user can understand and act on.

    Attributes:
        code: Stable identifier, snake_case; never re-used for another meaning.
        text: English sentence; placeholders are the parameters.
        advice: What the user can do about it.
        parameters: The values named in ``text``.
    """

    code: ClassVar[str] = "signing_error"
    text: ClassVar[str] = "The operation failed"
    advice: ClassVar[str] = ""

    def __init__(self, **parameters: object) -> None:
        """Keep the parameters and fill them into the text."""
        self.parameters = parameters
        super().__init__(self.text.format(**parameters))

    def diagnostics(self) -> str:
        """Return the text with the advice, for people."""
        return f"{self}. {self.advice}." if self.advice else f"{self}."


class PackageRefusedError(SigningError):
    """The package is at fault: its form, its content or its signature."""


class KeyRefusedError(SigningError):
    """The key, its file or its passphrase is at fault."""


# The form of the archive.


class NotAZipError(PackageRefusedError):
    """The file is no zip at all (R021, R044)."""

    code = "not_a_zip"
    text = "The file is not a zip archive"
    advice = "Compress the .bin image into a .zip first"


class BrokenZipError(PackageRefusedError):
    """The archive ends early, contradicts itself or holds damaged data."""

    code = "broken_zip"
    text = "The zip archive is broken: {detail}"
    advice = "Make or transfer the archive again"


class UnsupportedZipError(PackageRefusedError):
    """The archive uses a part of the zip format that packages do without."""

    code = "unsupported_zip"
    text = "The zip archive uses {feature}, which packages may not use"
    advice = "Make the archive again with an ordinary zip tool, stored or deflated"


class ExtraDataError(PackageRefusedError):
    """Bytes lie before, between or after what the archive's directory lists."""

    code = "extra_data"
    text = "The zip archive holds data outside of its entries: {detail}"
    advice = "Make the archive again with nothing but the firmware's files"


class HiddenDataError(PackageRefusedError):
    """Bytes follow the end of an entry's deflate stream, where no reader looks."""

    code = "hidden_data"
    text = "Entry {name!r} holds data behind the end of its compressed content"
    advice = "Make the archive again with an ordinary zip tool"


class CommentError(PackageRefusedError):
    """The archive carries a comment, in which anything could hide."""

    code = "comment"
    text = "The zip archive carries a comment of {size} bytes"
    advice = "Make the archive again without a comment"


class ConcatenatedZipError(PackageRefusedError):
    """Two archives are in one file: readers differ in which one they see."""

    code = "concatenated_zip"
    text = "The file begins with one zip archive and ends with another"
    advice = "Make one archive of all files"


class OverlappingEntriesError(PackageRefusedError):
    """Two entries share bytes, as in a zip bomb without nesting."""

    code = "overlapping_entries"
    text = "Entry {name!r} overlaps the one before it"
    advice = "Make the archive again with an ordinary zip tool"


class TooManyEntriesError(PackageRefusedError):
    """The archive lists more entries than a package may have."""

    code = "too_many_entries"
    text = "The zip archive lists {entries} entries; a package may have {limit}"
    advice = "Leave out what is not needed for the upgrade"


class TooBigError(PackageRefusedError):
    """The archive, its directory or its content is larger than allowed."""

    code = "too_big"
    text = "The {part} has {size} bytes; {limit} are allowed"
    advice = "Make the package smaller"


class ZipBombError(PackageRefusedError):
    """An entry inflates to far more than its stored size warrants."""

    code = "zip_bomb"
    text = "Entry {name!r} inflates {compressed_size} bytes to {size} or more, as a zip bomb does"
    advice = "Store the image without compression if it really is so uniform"


# Single entries.


class EntryCommentError(PackageRefusedError):
    """An entry carries a comment, which no signature covers and in which anything could hide."""

    code = "entry_comment"
    text = "Entry {name!r} carries a comment of {size} bytes"
    advice = "Make the archive again without comments"


class ExtraFieldError(PackageRefusedError):
    """An entry's extra fields could give it another name or kind, or hide something."""

    code = "extra_field"
    text = "Entry {name!r} has extra fields that packages may not have: {rule}"
    advice = "Make the archive again with an ordinary zip tool, or with `zip -X`"


class BadNameError(PackageRefusedError):
    """An entry's name could lead outside, deceive a reader, or is reserved."""

    code = "bad_name"
    text = "Entry name {name!r} is not allowed: {rule}"
    advice = "Rename the file and make the archive again"


class NameEncodingError(PackageRefusedError):
    """An entry's name is no UTF-8, or does not say that it is: it would read differently elsewhere."""

    code = "name_encoding"
    text = "Entry name {name!r} is not UTF-8, or not marked as UTF-8"
    advice = "Make the archive again with a zip tool that writes names in UTF-8, or rename the file"


class PathTraversalError(PackageRefusedError):
    """An entry's name leads out of the folder that the archive is unpacked into."""

    code = "path_traversal"
    text = "Entry name {name!r} leads out of the archive"
    advice = "Make the archive again with plain relative names"


class DuplicateNameError(PackageRefusedError):
    """Two entries have the same name: readers differ in which one they see."""

    code = "duplicate_name"
    text = "Entry name {name!r} occurs more than once"
    advice = "Keep one of the files and make the archive again"


class AmbiguousNameError(PackageRefusedError):
    """Two names are the same but for case, Unicode form or a slash: some file systems keep one."""

    code = "ambiguous_name"
    text = "Entry name {name!r} differs from another only in upper and lower case or in Unicode form"
    advice = "Rename one of the files and make the archive again"


class EncryptedEntryError(PackageRefusedError):
    """An entry is encrypted: it could not be looked at."""

    code = "encrypted_entry"
    text = "Entry {name!r} is encrypted"
    advice = "Make the archive again without a password"


class SpecialFileError(PackageRefusedError):
    """An entry is a symbolic link, a device or a pipe."""

    code = "special_file"
    text = "Entry {name!r} is a symbolic link or another special file"
    advice = "Put the file itself into the archive"


class FileAndFolderError(PackageRefusedError):
    """An entry is a file by its name and a folder by its attributes or by another's name, or the reverse."""

    code = "file_and_folder"
    text = "Entry {name!r} is a file to some readers and a folder to others"
    advice = "Make the archive again, and give no file the name of a folder"


class NestedArchiveError(PackageRefusedError):
    """An entry is itself a zip archive, or can be opened as one."""

    code = "nested_archive"
    text = "Entry {name!r} is itself a zip archive"
    advice = "Compress the .bin image once only"


class NoBinError(PackageRefusedError):
    """No entry is a ``.bin`` image (R020, R024)."""

    code = "no_bin"
    text = "The package contains no .bin image"
    advice = "Put exactly one .bin file into the archive; no other format is supported"


class SeveralBinError(PackageRefusedError):
    """More than one entry is a ``.bin`` image: which one is meant is unclear (R020)."""

    code = "several_bin"
    text = "The package contains several .bin images: {names}"
    advice = "Put exactly one .bin file into the archive (macOS: leave out the __MACOSX folder)"


class EmptyImageError(PackageRefusedError):
    """The ``.bin`` entry has no content."""

    code = "empty_image"
    text = "The image {name!r} is empty"
    advice = "Build the image and make the archive again"


# The signature and what it covers.


class UnsignedError(PackageRefusedError):
    """There is no signed manifest in the archive (R022, R023)."""

    code = "unsigned"
    text = "The package is not signed"
    advice = "Sign it with `sluice-sign sign` and use the xxx_signed.zip that this writes"


class AlreadySignedError(PackageRefusedError):
    """A package that is to be signed carries a manifest already."""

    code = "already_signed"
    text = "The package is signed already"
    advice = "Sign the original archive, not the xxx_signed.zip"


class BadManifestError(PackageRefusedError):
    """The manifest or its envelope is not what the format says."""

    code = "bad_manifest"
    text = "The signed manifest is malformed: {detail}"
    advice = "Sign the original package again"


class UnknownKeyError(PackageRefusedError):
    """None of the given public keys made the signature (R023, R053)."""

    code = "unknown_key"
    text = "The package was signed with key {key_id!r}, which is not among the public keys given"
    advice = "Upload that public key for the manufacturer, or sign with a key that is known"


class WrongSignatureError(PackageRefusedError):
    """The signature does not belong to the manifest (R023)."""

    code = "wrong_signature"
    text = "The signature by key {key_id} does not match the manifest"
    advice = "The package was altered or damaged after signing: sign the original again"


class MalleableSignatureError(PackageRefusedError):
    """The signature has the form that anyone can make from a valid one without the key."""

    code = "malleable_signature"
    text = "The signature by key {key_id} is not in its only accepted form (low s, minimal DER)"
    advice = "Sign the original package again with `sluice-sign sign`"


class WrongAlgorithmError(PackageRefusedError):
    """The manifest claims another algorithm than the one its key is bound to."""

    code = "wrong_algorithm"
    text = "The manifest names algorithm {claimed!r}, but its key is for {expected}"
    advice = "Sign the original package again"


class EntryAddedError(PackageRefusedError):
    """The archive holds an entry that was not signed."""

    code = "entry_added"
    text = "Entry {name!r} was not there when the package was signed"
    advice = "Sign the package again, or remove the entry"


class EntryMissingError(PackageRefusedError):
    """The archive lacks an entry that was signed."""

    code = "entry_missing"
    text = "Entry {name!r} was signed, but is missing"
    advice = "Sign the original package again"


class EntryChangedError(PackageRefusedError):
    """An entry's content is not what was signed, or the manifest is another package's."""

    code = "entry_changed"
    text = "Entry {name!r} is not what was signed: it or the manifest was changed afterwards"
    advice = "Sign the original package again"


class BadReleaseError(PackageRefusedError):
    """Manufacturer, models, version or sequence number do not have the form that is signed."""

    code = "bad_release"
    text = "What the package is cannot be signed so: {detail}"
    advice = "Manufacturer and models are names, the version printable ASCII, the sequence number from 0 up"


class NoReleaseError(SigningError):
    """It is not said what the package is, and the old form of the manifest was not asked for."""

    code = "no_release"
    text = "It is not said which {missing} the package has, which is signed too"
    advice = "Give --manufacturer, --model and --version; --manifest-v1 signs without them, as before"


# Keys and passphrases.


class UnknownAlgorithmError(KeyRefusedError):
    """No such algorithm is in the table."""

    code = "unknown_algorithm"
    text = "There is no signature algorithm {name!r}"
    advice = "`sluice-sign algorithms` lists them"


class BadKeyError(KeyRefusedError):
    """The file is no key of the kind that is needed."""

    code = "bad_key"
    text = "This is not a usable {kind} key: {detail}"
    advice = "Use the files that `sluice-sign keygen` writes: private.pem and public.pem"


class WrongPassphraseError(KeyRefusedError):
    """The passphrase does not open the private key (R049)."""

    code = "wrong_passphrase"
    text = "The passphrase does not open this private key"
    advice = "Give the one that was set when the key pair was generated, or restore a damaged file"


class WeakPassphraseError(KeyRefusedError):
    """The passphrase is shorter or simpler than the rule allows (R041)."""

    code = "weak_passphrase"
    text = (
        "The passphrase needs at least {length} characters of at least {classes} kinds"
        " (capital letters, small letters, digits, others)"
    )
    advice = "A sentence of five or more words is better still"


class NoPassphraseError(KeyRefusedError):
    """Nobody can be asked for the passphrase."""

    code = "no_passphrase"
    text = "A passphrase is needed, and there is no terminal to ask for it"
    advice = "Set the environment variable SLUICE_SIGN_PASSPHRASE"


class DifferentPassphrasesError(KeyRefusedError):
    """A new passphrase was typed in two ways."""

    code = "different_passphrases"
    text = "The two passphrases differ"
    advice = "Nothing was written: try again"


class KeyExistsError(KeyRefusedError):
    """A new key pair would overwrite a file."""

    code = "key_exists"
    text = "{path} exists already and is not overwritten"
    advice = "Choose another directory: a lost private key cannot be had back"


class NoWindowError(SigningError):
    """There is no Tk, or no display to open a window on."""

    code = "no_window"
    text = "The window cannot be opened: {detail}"
    advice = "The same can be done on the command line: `sluice-sign --help`"


# The surroundings of the verification service.


class UploadMissingError(PackageRefusedError):
    """The upload that a message speaks of is not, or not completely, in the store."""

    code = "upload_missing"
    text = "The uploaded file is not there or not complete"
    advice = "Upload the package again"


class TimeLimitError(PackageRefusedError):
    """Verifying took longer than a package may take."""

    code = "time_limit"
    text = "Verifying the package took longer than {seconds:g} seconds"
    advice = "Make the package smaller or simpler"


class MemoryLimitError(PackageRefusedError):
    """Verifying took more memory than a package may take."""

    code = "memory_limit"
    text = "Verifying the package took more memory than a package may take"
    advice = "Make the package smaller or simpler"


class VerifierFailedError(PackageRefusedError):
    """The verifying process ended without a verdict; nothing is known of the package."""

    code = "verifier_failed"
    text = "The package could not be verified: {detail}"
    advice = "Upload it again; if that fails as well, tell the operator of the platform"
