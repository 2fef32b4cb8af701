"""Renders the page together with its exact content security policy.

Style and script are inlined, so that a visit is one request; the policy allows them
by hash, and nothing else may run.
"""

import base64
import hashlib
import html
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlsplit

from landing.settings import LandingSettings


@dataclass(frozen=True)
class Page:
    """The page and the policy sent to a visitor."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class _Provider:
    """The scripts of an analytics provider and the origins they need."""

    tags: str = ""
    inline: str = ""
    origins: tuple[str, ...] = ()


def render(settings: LandingSettings) -> Page:
    """Put style, script and the provider's tag into the page."""
    folder = files("landing") / "page"
    style = (folder / "landing.css").read_text(encoding="utf-8")
    script = (folder / "landing.js").read_text(encoding="utf-8")
    provider = _provider(settings)
    body = (
        (folder / "index.html")
        .read_text(encoding="utf-8")
        .replace("/*style*/", style)
        .replace("/*script*/", script)
        .replace("<!--analytics-->", provider.tags)
    ).encode()
    scripts = [_hash(text) for text in (script, provider.inline) if text]
    app = urlsplit(settings.app_url)
    policy = {
        "default-src": ["'none'"],
        "style-src": [_hash(style)],
        "script-src": [*scripts, *provider.origins],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'", *provider.origins],
        # Browsers also apply this to the target of the form's redirect.
        "form-action": ["'self'", *([f"{app.scheme}://{app.netloc}"] if app.scheme else [])],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    return Page(
        body=body,
        headers={
            "Content-Security-Policy": "; ".join(
                f"{name} {' '.join(values)}" for name, values in policy.items()
            ),
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:20]}"',
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _provider(settings: LandingSettings) -> _Provider:
    if not settings.analytics_enabled:
        return _Provider()
    site = html.escape(settings.analytics_id, quote=True)
    if settings.analytics_provider == "plausible":
        origin = "https://plausible.io"
        return _Provider(
            tags=f'<script defer data-domain="{site}" src="{origin}/js/script.js"></script>',
            origins=(origin,),
        )
    inline = (
        "window.dataLayer=window.dataLayer||[];function gtag(){dataLayer.push(arguments)}"
        # Nothing is stored in the visitor's browser, so no consent banner is needed.
        "gtag('consent','default',{ad_storage:'denied',ad_user_data:'denied',"
        "ad_personalization:'denied',analytics_storage:'denied'});"
        f"gtag('js',new Date());gtag('config','{site}',{{anonymize_ip:true,client_storage:'none'}});"
    )
    origin = "https://www.googletagmanager.com"
    return _Provider(
        tags=f'<script async src="{origin}/gtag/js?id={site}"></script><script>{inline}</script>',
        inline=inline,
        origins=(origin, "https://www.google-analytics.com"),
    )
