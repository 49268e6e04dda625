import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;

/**
 * A resource server in Java: the JDK's HttpServer and Nimbus JOSE+JWT. It verifies tokens offline and fetches only the
 * JWKS.
 *
 * <pre>ISSUER=http://127.0.0.1:8080 PORT=9000 mvn -q compile exec:java</pre>
 */
public final class ResourceServer {
    private static final String ISSUER = setting("ISSUER", "http://127.0.0.1:8080");
    private static final int PORT = Integer.parseInt(setting("PORT", "9000"));

    private DefaultJWTProcessor<SecurityContext> processor;

    public static void main(String[] arguments) throws IOException {
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", PORT), 0);
        server.createContext("/me", new ResourceServer()::me);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }

    private void me(HttpExchange exchange) throws IOException {
        try {
            var header = exchange.getRequestHeaders().getFirst("Authorization");
            var token = header != null && header.startsWith("Bearer ") ? header.substring("Bearer ".length()) : "";
            answer(exchange, processor().process(token, null));
        } catch (ParseException | BadJOSEException | RateLimitReachedException rejected) {
            exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer error=\"invalid_token\"");
            exchange.sendResponseHeaders(401, -1);
        } catch (Exception fault) {
            // The JWKS is unavailable: the caller may retry.
            System.err.println("cannot fetch the JWKS: " + fault);
            exchange.sendResponseHeaders(503, -1);
        } finally {
            exchange.close();
        }
    }

    private static void answer(HttpExchange exchange, JWTClaimsSet claims) throws IOException {
        Map<String, Object> me = new LinkedHashMap<>();
        for (var name : new String[] {"sub", "username", "sid"}) {
            me.put(name, claims.getClaim(name));
        }
        var body = JSONObjectUtils.toJSONString(me).getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    /** Caches the processor only on success: if the issuer is unavailable, the next request retries. */
    private synchronized DefaultJWTProcessor<SecurityContext> processor() throws Exception {
        if (processor == null) {
            // Caches the JWKS for 300 s and refetches it for an unknown `kid`, at most twice in 30 s. The limit stops
            // attackers who invent kids from causing a fetch per request. Above the limit, tokens with an unknown
            // `kid` are rejected.
            JWKSource<SecurityContext> keys = JWKSourceBuilder.create(discover().toURL())
                .cache(300_000, 5_000)
                .rateLimited(30_000)
                .build();
            // The claims that must have exactly these values. token_type excludes refresh tokens, which may be signed by
            // the same keys.
            var exact = new JWTClaimsSet.Builder().issuer(ISSUER).claim("token_type", "access").build();
            var rules = new DefaultJWTClaimsVerifier<>(ISSUER, exact, Set.of("exp", "sub"));
            rules.setMaxClockSkew(5);
            var created = new DefaultJWTProcessor<SecurityContext>();
            // This server chooses the accepted algorithms; the token's header does not.
            created.setJWSKeySelector(new JWSVerificationKeySelector<>(Set.of(JWSAlgorithm.ES256, JWSAlgorithm.RS256), keys));
            created.setJWTClaimsSetVerifier(rules);
            processor = created;
        }
        return processor;
    }

    private static URI discover() throws Exception {
        var request = HttpRequest.newBuilder(URI.create(ISSUER + "/.well-known/openid-configuration"))
            .timeout(Duration.ofSeconds(5))
            .build();
        var response = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        var metadata = JSONObjectUtils.parse(response.body());
        // OpenID Connect Discovery §4.3: do not trust a document about another issuer.
        if (!ISSUER.equals(metadata.get("issuer"))) {
            throw new IllegalStateException("ISSUER must be exactly the issuer's public URL");
        }
        return JSONObjectUtils.getURI(metadata, "jwks_uri");
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
