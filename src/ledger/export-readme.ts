/** Stands in each export: enough to write a verifier from, for whoever was given the export and nothing else. */
export const exportReadme = `# A log of Signalbox

What one tenant's calls and administrators did, as a transparency log: every file here follows a public specification, so that no
program of Signalbox is needed to check it.

    checkpoint            the signed state of the log (c2sp.org/tlog-checkpoint), perhaps co-signed by witnesses
                          (c2sp.org/tlog-cosignature): name of the log, number of entries, root hash in base64
    log.vkey              the public key it is signed with (c2sp.org/signed-note). Whoever made this export put it here: to
                          prove anything, compare it with one that you had before, from somebody you trust
    tile/entries/...      the entries, 256 to a bundle (c2sp.org/tlog-tiles): each a 16-bit length and a JSON text
    tile/<level>/...      the hashes of the tree (c2sp.org/tlog-tiles, RFC 6962 with SHA-256)
    checkpoints/...       every checkpoint that was signed on the way, one JSON string a line; checkpoints/N has those
                          over more than 256 * N and at most 256 * (N + 1) entries
    payloads/...          only where it was asked for: what entries commit to, one JSON object a line. Not part of the tree
    manifest.json         what was asked for. Not signed

To check it: hash each entry as SHA-256(0x00, entry) and compare with tile/0; build the tree, SHA-256(0x01, left, right), and compare
its root with the checkpoint's; verify the checkpoint's Ed25519 signature; do the same at the size of each older checkpoint, and of any
that you kept yourself: if its root is another one, the log was rewritten. Bundles may be missing at the beginning (an export
since some day); their hashes are there, so what follows is proven to stand behind them.

An entry has ids, names of policies, outcomes and commitments, and no arguments, results or names of people. A commitment is
SHA-256(salt, bytes); salt and bytes are in the payload. A payload that was erased leaves its commitment.
`;
