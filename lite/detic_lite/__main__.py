from detic_lite.command import main

if __name__ == "__main__":
    main()
