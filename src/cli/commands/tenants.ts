import type { Command } from "commander";
import { api } from "../client.ts";
import { apiVerb, limitOf, limitOption, noun, run } from "../session.ts";
import type { ReceiptReference } from "../show.ts";
import { done, instantText, listed } from "../show.ts";
import type { Terminal } from "../terminal.ts";
import { secretAnswer } from "./principals.ts";

interface Tenant {
  readonly id: string;
  readonly createdAt: string;
}

export function tenantsCommand(program: Command, terminal: Terminal): void {
  const tenants = noun(
    program,
    "tenants",
    "Organisations or departments; nothing crosses from one to another",
  );

  apiVerb(tenants, { usage: "ls", summary: "List the tenants", example: "signalbox tenants ls" })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const found = await session.systemApi().list<Tenant>("/tenants", limitOf(options.limit));
        session.print(listed(found, columns, "There are no tenants."));
      }),
    );

  apiVerb(tenants, {
    usage: "create <tenant>",
    summary: "Create a tenant with its first admin",
    notes: "For people of the tenant `system`.",
    example: "signalbox tenants create finance",
  }).action(
    run(terminal, async (session, id: string) => {
      const answer = await session.systemApi().post<{ receipt: ReceiptReference }>("/tenants", { id });
      session.print(
        done(answer, `Created the tenant ${id}. \`signalbox tenants admin-key ${id}\` lets its admin in.`),
      );
    }),
  );

  apiVerb(tenants, {
    usage: "admin-key <tenant>",
    summary: "Issue an API key for a tenant's first admin, for one day",
    notes: "For people of the tenant `system`. Both tenants' ledgers record it. It is shown this once.",
    example: "signalbox tenants admin-key finance",
  }).action(
    run(terminal, async (session, id: string) => {
      const answer = await session
        .systemApi()
        .post<{ secret: string; key: { expiresAt: string | null }; receipt: ReceiptReference }>(
          api`/tenants/${id}/admin-key`,
        );
      session.print(
        secretAnswer(
          answer,
          answer.secret,
          `works until ${instantText(answer.key.expiresAt) ?? "it is revoked"}`,
        ),
      );
    }),
  );
}

const columns = [
  { title: "tenant", of: (tenant: Tenant) => tenant.id, keep: true },
  { title: "created", of: (tenant: Tenant) => instantText(tenant.createdAt) },
];
