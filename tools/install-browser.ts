import { spawnSync } from "node:child_process";
import { browserPath } from "../test/fixtures/browser.ts";

/* node tools/install-browser.ts: gets the Chromium that the tests of pages need, unless there is one. Only where it is a matter of apt. */
if (browserPath() === null) {
  console.error("installing Chromium, for the tests of pages …");
  const apt = (...args: string[]) =>
    spawnSync("apt-get", args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    }).status === 0;
  const isInstalled =
    process.getuid?.() === 0 &&
    apt("update", "-q") &&
    apt("install", "-y", "-q", "--no-install-recommends", "chromium") &&
    browserPath() !== null;
  if (!isInstalled) {
    console.error(
      "there is no Chromium, and apt did not get one: install Chromium or Google Chrome and try again",
    );
    process.exit(1);
  }
}
