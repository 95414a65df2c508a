"""Study file -> plan -> run -> pages -> manifest -> verify."""
