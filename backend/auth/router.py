"""Signing in and out over HTTP, the sign-in page, and one's own account."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from backend.auth.bootstrap import create_first_admin
from backend.auth.login_page import choose_language, render_login
from backend.auth.origins import is_own_origin, local_path
from backend.auth.schemas import Account, AccountPatch, Bootstrap, Login, SignedIn
from backend.auth.service import COOKIE, token_of
from backend.auth.sign_in import NewSession, Visit, account_of, change_account, own_account, sign_in, sign_out
from backend.deps import Me, Reader, Soi, guarded_router
from backend.errors import Invalid, NotAllowed, SoiError, TooManyRequests
from db.repositories import users

router = guarded_router("/v1/auth", "me:read")
public = APIRouter(tags=["auth"])

#: Sign-ins have their own threads (Argon2 is slow), and more than this many waiting are turned away.
_SIGN_IN_THREADS = 4
_MAX_WAITING = 64
_MAX_FORM_BYTES = 16_384
_sign_ins = anyio.CapacityLimiter(_SIGN_IN_THREADS)


@public.post("/v1/auth/login")
async def log_in(body: Login, request: Request, soi: Soi) -> SignedIn:
    """A session token for an e-mail address and a password."""
    work = partial(sign_in, soi.authenticator, body.email, body.password.get_secret_value(), _visit(request))
    return _signed_in(await _slowly(work))


@public.post("/v1/auth/bootstrap", status_code=201)
async def bootstrap(body: Bootstrap, request: Request, soi: Soi) -> SignedIn:
    """Make the first admin with the one-time token that the server printed at its start."""
    return _signed_in(await _slowly(partial(create_first_admin, soi.authenticator, body, _visit(request))))


@router.post("/logout", status_code=204)
def log_out(request: Request, soi: Soi, me: Me) -> Response:
    """End this session and drop its cookie."""
    sign_out(soi.authenticator, me, token_of(request) or "")
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/me")
def read_account(me: Me, session: Reader) -> Account:
    """Who I am, what I may do, and my preferences."""
    return account_of(me, users.get_user(session, me.id) if me.kind == "user" else None)


@router.patch("/me")
def patch_account(body: AccountPatch, request: Request, soi: Soi, me: Me) -> Account:
    """Change my name, language, time zone, preferences or password."""
    return change_account(soi.authenticator, me, body, token_of(request) or "")


@public.get("/login", response_class=HTMLResponse)
def show_login(request: Request, session: Reader, soi: Soi) -> HTMLResponse:
    """The sign-in page; the set-up page while nobody has an account."""
    next_path = local_path(request.query_params.get("next"))
    return render_login(_language(request, soi), next_path, is_first=not users.has_users(session))


@public.post("/login", response_class=HTMLResponse, max_body_size=_MAX_FORM_BYTES)
async def submit_login(request: Request, soi: Soi) -> Response:
    """Sign in (or set up) from the page: sets the session cookie and goes on to `next`."""
    async with request.form(max_files=0, max_fields=10) as form:
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
    next_path = local_path(fields.get("next"))
    try:
        found = await _submit(request, soi, fields)
    except SoiError as error:
        language = _language(request, soi)
        return render_login(language, next_path, is_first="token" in fields, error=error, fields=fields)
    response = RedirectResponse(next_path, status_code=303)
    response.set_cookie(
        COOKIE,
        found.token,
        max_age=int(soi.settings.session_hours * 3600),
        httponly=True,
        samesite="lax",
        secure=soi.settings.cookies_are_secure,
    )
    return response


async def _submit(request: Request, soi: Soi, fields: dict[str, str]) -> NewSession:
    origin = request.headers.get("origin")
    if origin is not None and not is_own_origin(origin, request.headers.get("host"), soi.authenticator.trusted):
        raise NotAllowed("the form was sent from another site", code="foreign_origin")
    try:
        if "token" in fields:
            given = {name: fields.get(name, "") for name in ("token", "email", "name", "password")}
            wish = Bootstrap.model_validate({**given, "language": _language(request, soi)})
            return await _slowly(partial(create_first_admin, soi.authenticator, wish, _visit(request)))
        login = Login.model_validate({name: fields.get(name, "") for name in ("email", "password")})
    except ValidationError as error:
        raise Invalid("a field is empty or not in the right form", code="form_incomplete") from error
    work = partial(sign_in, soi.authenticator, login.email, login.password.get_secret_value(), _visit(request))
    return await _slowly(work)


async def _slowly(work: partial[NewSession]) -> NewSession:
    if _sign_ins.statistics().tasks_waiting >= _MAX_WAITING:
        raise TooManyRequests("too many sign-ins at once; try again shortly", retry_after_s=5)
    return await run_sync(work, limiter=_sign_ins)


def _language(request: Request, soi: Soi) -> str:
    wanted: Any = request.query_params.get("lang")
    return choose_language(wanted, request.headers.get("accept-language"), soi.settings.language)


def _visit(request: Request) -> Visit:
    return Visit(request.client.host if request.client else "unknown", request.headers.get("user-agent"))


def _signed_in(found: NewSession) -> SignedIn:
    return SignedIn(token=found.token, expires_at=found.expires_at, user=own_account(found.user))
