/* Ends with 0 while the node answers. For the container's HEALTHCHECK: the image has no curl. */
const port = process.env.SIGNALBOX_HEALTH_PORT ?? "7070";
const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) }).catch(
  () => null,
);
process.exitCode = answer?.ok === true ? 0 : 1;
