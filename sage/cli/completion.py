"""``sage completion``: scripts that let a shell complete commands, options and files."""

import click
from click.shell_completion import get_completion_class

__all__ = ["COMPLETE_VARIABLE", "completion"]

#: The environment variable through which a shell asks for completions.
COMPLETE_VARIABLE = "_SAGE_COMPLETE"


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and files of sage in SHELL.

    \b
    For this session:
      eval "$(sage completion bash)"
      eval "$(sage completion zsh)"
      sage completion fish | source
    \b
    For good:
      sage completion bash >> ~/.bashrc
      sage completion zsh >> ~/.zshrc
      sage completion fish > ~/.config/fish/completions/sage.fish
    """
    complete = get_completion_class(shell)
    if complete is None:
        raise click.ClickException(f"this version of click has no completion for {shell}")
    click.echo(complete(context.find_root().command, {}, "sage", COMPLETE_VARIABLE).source())
