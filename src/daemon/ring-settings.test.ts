import { expect, test } from "vitest";
import { parseSiteConfig } from "./config/parse-site.ts";
import { NO_WINDOW_CHANGE, ringSettings } from "./ring-settings.ts";

const SEGMENT = "Spread_Segment 10.0.0.255:4803 { a 10.0.0.1 }";
const BUFFER_BYTES = 4 * 1024 * 1024;

test("every window that a file may name can be had, with datagrams of any length, also when they become longer", () => {
  const most = "Window = 32767 PersonalWindow = 32767 AcceleratedWindow = 32767";
  for (const datagramBytes of [576, 1_400, 8_900, 65_000]) {
    const { site } = parseSiteConfig(`${most} ${SEGMENT}`);
    const settings = ringSettings(site, BUFFER_BYTES, false, NO_WINDOW_CHANGE, datagramBytes);
    expect(settings.windowBytesMax).toBeLessThanOrEqual(BUFFER_BYTES);
    expect(settings.personalBytesMax).toBeLessThanOrEqual(64 * 1024 * 1024);
  }
});

test("every window that a monitor may ask for can be had", () => {
  const { site } = parseSiteConfig(SEGMENT);
  const change = { global: 32_767, personal: 32_767, accelerated: 32_767 };
  expect(ringSettings(site, BUFFER_BYTES, true, change, 8_900)).toMatchObject({ acceleratedPackets: 4_096 });
  expect(
    ringSettings(site, BUFFER_BYTES, true, { ...change, global: 1, personal: 1, accelerated: 0 }, 8_900),
  ).toMatchObject({
    windowBytesMax: 8_900,
    personalBytesMax: 8_900,
    acceleratedPackets: 0,
  });
});
