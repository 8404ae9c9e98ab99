"""The demonstration's people: random passwords, printed once and kept in a file only its owner can read."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from backend.auth.passwords import Passwords
from backend.auth.rules import Principal
from backend.auth.tokens import new_password
from backend.demo.story import INSPECTORS
from db.engine import Database
from db.models.person import User
from db.repositories import audit, users

LOGINS = "demo-logins.txt"


@dataclass(frozen=True, slots=True)
class Account:
    """A person of the demonstration with the password in clear, for this moment only."""

    key: str
    email: str
    role: str
    password: str
    principal: Principal


def make_accounts(database: Database) -> dict[str, Account]:
    """Six people: an admin, a data scientist, three inspectors, a viewer. Those that exist get new passwords."""
    wanted = [
        ("admin", "Phạm Quốc Dũng", "admin"),
        ("scientist", "Hoàng Mai Linh", "data_scientist"),
        *((key, name, "inspector") for key, (name, _, _) in INSPECTORS.items()),
        ("viewer", "Đỗ Thu Hà", "viewer"),
    ]
    passwords = Passwords()
    clear = {key: new_password() for key, _, _ in wanted}
    with ThreadPoolExecutor(2) as threads:
        hashed = dict(zip(clear, threads.map(passwords.hash, clear.values()), strict=True))
    made: dict[str, Account] = {}
    with database.write() as session:
        for key, name, role in wanted:
            email = f"{key}@demo.local"
            user = users.find_by_email(session, email) or users.add_user(
                session, User(email=email, name=name, role=role, timezone="Asia/Ho_Chi_Minh")
            )
            user.password_hash = hashed[key]
            principal = Principal("user", user.id, name, role=role)  # type: ignore[arg-type]
            made[key] = Account(key, email, role, clear[key], principal)
        audit.record(session, "demo", "user.created", "demonstration", {"n": len(made)})
    return made


def write_logins(folder: Path, accounts: dict[str, Account]) -> Path:
    """Keep the passwords in a file with mode 0600."""
    path = folder / LOGINS
    lines = [f"{one.role:15} {one.email:22} {one.password}" for one in accounts.values()]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path
