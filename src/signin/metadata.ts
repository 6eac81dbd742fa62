import { offeredScopes } from "./scopes.ts";

/** Where everything stands, below the address of the node. */
export const paths = {
  metadata: "/.well-known/oauth-authorization-server",
  register: "/oauth/register",
  authorize: "/oauth/authorize",
  token: "/oauth/token",
} as const;

/** What tokens that are got here are for (RFC 8707). */
export const resourceOf = (base: string): string => `${base}/mcp`;

/** RFC 8414. The issuer is `base` to the letter: so it stands in the metadata of the resource, and so in `iss`. */
export const serverMetadata = (base: string, readsDocuments: boolean) => ({
  issuer: base,
  authorization_endpoint: `${base}${paths.authorize}`,
  token_endpoint: `${base}${paths.token}`,
  registration_endpoint: `${base}${paths.register}`,
  scopes_supported: offeredScopes,
  response_types_supported: ["code"],
  response_modes_supported: ["query"],
  grant_types_supported: ["authorization_code", "client_credentials"],
  token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
  code_challenge_methods_supported: ["S256"],
  client_id_metadata_document_supported: readsDocuments,
  authorization_response_iss_parameter_supported: true,
});
