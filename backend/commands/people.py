"""`soi user add` and `soi key create`: people and service keys, directly in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy.exc import IntegrityError

from backend.auth.passwords import Passwords, check_new_password
from backend.auth.rules import KEY_SCOPES, ROLES
from backend.auth.tokens import hash_token, new_key, new_password
from backend.commands.context import Failed, opened, settings_of, stderr, stdout
from db.base import utc_now
from db.models.person import ApiKey, User
from db.repositories import api_keys, audit, models, users

ACTOR = "command-line"
user_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
key_app = typer.Typer(help="Keys of services.", no_args_is_help=True)


@user_app.callback()
def _users() -> None:
    """People who sign in."""


@key_app.callback()
def _keys() -> None:
    """Keys of services."""


@user_app.command("add")
def add_user(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(help="The address the person signs in with.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "viewer",
    name: Annotated[str, typer.Option(help="The name others see; empty: made from the address.")] = "",
    language: Annotated[str | None, typer.Option(help="en or vi.")] = None,
    ask_password: Annotated[bool, typer.Option("--password", help="Ask for a password, not a random one.")] = False,
) -> None:
    """Add a person; without --password a random password is made and printed once."""
    email = email.strip().lower()
    if role not in ROLES:
        raise Failed(f"there is no role {role!r}: choose one of {', '.join(ROLES)}")
    if "@" not in email[1:-1]:
        raise Failed(f"{email!r} is no e-mail address")
    if language not in (None, "en", "vi"):
        raise Failed("the language is en or vi")
    name = name.strip() or email.split("@")[0]
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if ask_password else new_password()
    check_new_password(password, email, name)
    hashed = Passwords().hash(password)
    with opened(settings_of(ctx)) as database:
        try:
            with database.write() as session:
                user = users.add_user(
                    session, User(email=email, name=name, role=role, password_hash=hashed, language=language)
                )
                audit.record(session, ACTOR, "user.created", f"user:{user.id}", {"role": role})
        except IntegrityError:
            raise Failed(f"there is an account for {email} already") from None
    console = stdout()
    console.print(f"added {escape(name)} <{escape(email)}> as {role}")
    if not ask_password:
        console.print(f"password (shown once): {password}", soft_wrap=True, markup=False)


@key_app.command("create")
def create_key(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="A permission the key gets; repeat for more.")],
    model: Annotated[list[str] | None, typer.Option(help="Narrow the key to this model; repeat for more.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="The key ends after this many days.")] = None,
) -> None:
    """Make a key for a service; it is printed once and only its hash is kept."""
    unknown = sorted(set(scope) - KEY_SCOPES)
    if unknown:
        raise Failed(f"a key cannot have the scope {unknown[0]!r}: choose from {', '.join(sorted(KEY_SCOPES))}")
    key = new_key()
    with opened(settings_of(ctx)) as database, database.write() as session:
        absent = models.missing_names(session, model or [])
        if absent:
            raise Failed(f"there is no model {absent[0]!r}")
        row = api_keys.add_key(
            session,
            ApiKey(
                name=name,
                key_hash=hash_token(key),
                prefix=key[:12],
                scopes=sorted(set(scope)),
                models=model or None,
                expires_at=utc_now() + timedelta(days=days) if days else None,
            ),
        )
        audit.record(session, ACTOR, "key.created", f"key:{row.id}", {"scopes": row.scopes, "models": row.models})
    # The key alone goes to stdout, so that KEY=$(soi key create ...) works.
    stderr().print(f"key {name!r}, shown once:", markup=False)
    stdout().print(key, soft_wrap=True, markup=False)
